"""Functions that choose the images to import from an archive, and the names for them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final, final

from store.errors import InvalidInput, InvalidReference, printable
from store.formats.archives.claims import ArchiveClaim, Graph, Root
from store.formats.golang.path_match import compile_pattern
from store.formats.image.layout_names import ATTESTED
from store.model.platforms import Platform
from store.model.references import Reference
from store.model.remedies import Note, Remedy

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from store.formats.archives.claims import ImageClaim
    from store.formats.image.manifests import Link
    from store.model.digests import Digest

_SHOWN: Final = 10


@final
@dataclass(frozen=True, slots=True)
class Choice:
    """The images to import from an archive, and their names.

    Attributes:
        platforms: Import only images for these platforms; empty for all.
        images: Import only images whose name matches one of these patterns (see
            `store.formats.golang.path_match`), or whose ID or digest starts with one of these
            texts; empty for all.
        tag: The new name of the chosen image; None to keep the names. With a new name, exactly one
            image must be chosen.
        prefix: A text to put before every name: ``team/`` turns ``app:1`` into ``team/app:1``. For
            a tag without a repository, the prefix is the repository.
        no_tags: Import the images without names.
        require_all: Refuse an index if some of its content is absent.
    """

    platforms: tuple[Platform, ...] = ()
    images: tuple[str, ...] = ()
    tag: Reference | None = None
    prefix: str = ""
    no_tags: bool = False
    require_all: bool = False


ALL: Final = Choice()


def choose(claim: ArchiveClaim, choice: Choice) -> ArchiveClaim:
    """Return the chosen part of an archive's claims, with the chosen names.

    Args:
        claim: All claims of the archive.
        choice: The images to import, and their names.

    Raises:
        InvalidInput: The archive has no image that ``choice`` selects, one name is given for
            several images, or required content is absent.
        InvalidReference: A name with the prefix is not valid.
    """
    notes = list(claim.notes)
    images, roots = _by_name(claim, choice.images)
    graph = replace(claim.graph, roots=roots)
    if choice.platforms:
        images = tuple(image for image in images if _suits(_made_for(image), choice.platforms))
        graph = _by_platform(graph, choice.platforms)
        if not images and not graph.roots:
            raise InvalidInput(
                "the archive has no image for the platform"
                f" {' or '.join(map(str, choice.platforms))}",
                hint=_platforms(claim),
            )
    reached = set(graph.below(*(root.digest for root in graph.roots)))
    # Referrers of a chosen document are imported with it, wherever the archive lists them.
    graph = replace(
        graph,
        documents={
            digest: document for digest, document in graph.documents.items() if digest in reached
        },
        configs={digest: config for digest, config in graph.configs.items() if digest in reached},
    )
    images, roots = _renamed(images, graph, choice, notes)
    included = {image.config.image_id for image in images}
    images = tuple(
        image if image.parent in included else replace(image, parent=None) for image in images
    )
    graph = replace(graph, roots=roots)
    _sparse(graph, choice, notes)
    return ArchiveClaim(claim.digest, images, tuple(dict.fromkeys(notes)), graph)


def _by_name(
    claim: ArchiveClaim, patterns: Sequence[str]
) -> tuple[tuple[ImageClaim, ...], tuple[Root, ...]]:
    if not patterns:
        return claim.images, claim.graph.roots
    used: set[str] = set()
    roots = []
    with_image = _with_image(claim.graph, patterns)
    for root in claim.graph.roots:
        names = tuple(name for name in root.names if _fits(Reference.parse(name), patterns, used))
        bare = tuple(
            tag for tag in root.bare if True in [_match(tag, pattern, used) for pattern in patterns]
        )
        if names or bare:
            roots.append(Root(root.digest, names, bare))
        else:
            used.update(begun := with_image.get(root.digest, frozenset()))
            if _begins([str(root.digest)], patterns, used) or begun:
                roots.append(root)
    chosen = set(claim.graph.below(*(root.digest for root in roots)))
    described = {
        claim.graph.configs[digest].image_id for digest in chosen if digest in claim.graph.configs
    }
    images = []
    for image in claim.images:
        if image.described:
            if image.config.image_id in described:
                images.append(image)
            continue
        tags = tuple(tag for tag in image.tags if _fits(Reference.parse(tag), patterns, used))
        if tags or _begins([str(image.config.image_id)], patterns, used):
            images.append(replace(image, tags=tags or image.tags))
    unused = [pattern for pattern in patterns if pattern not in used]
    if unused:
        raise InvalidInput(
            f"the archive has no image {' or '.join(repr(printable(name)) for name in unused)}",
            hint=_names(claim),
        )
    # A referrer has no name: it is imported with its subject.
    named = {root.digest for root in roots}
    more = [
        root
        for root in claim.graph.roots
        if root.digest not in named and _subject(claim.graph, root) in chosen
    ]
    return tuple(images), (*roots, *more)


def _with_image(graph: Graph, patterns: Sequence[str]) -> dict[Digest, frozenset[str]]:
    """Return, for each document, the patterns that match an image in it or below it.

    A pattern matches an image if the image's ID starts with the pattern. Documents without a match
    are left out.
    """
    found: dict[Digest, frozenset[str]] = {}
    for digest, document in graph.documents.items():
        below = [found[link.digest] for link in document.children if link.digest in found]
        mine: set[str] = set()
        if digest in graph.configs:
            _begins([str(graph.configs[digest].image_id)], patterns, mine)
        if mine or below:
            found[digest] = frozenset(mine).union(*below)
    return found


def _subject(graph: Graph, root: Root) -> Digest | None:
    document = graph.documents.get(root.digest)
    return None if document is None or document.subject is None else document.subject.digest


def _fits(name: Reference, patterns: Iterable[str], used: set[str]) -> bool:
    texts = (name.familiar, str(name), name.repository.familiar, str(name.repository))
    # Try every pattern, because a pattern without a match is an error.
    return True in [_match(text, pattern, used) for pattern in patterns for text in texts]


def _match(text: str, pattern: str, used: set[str]) -> bool:
    if compile_pattern(pattern).fullmatch(text):
        used.add(pattern)
        return True
    return False


def _begins(ids: Iterable[str], patterns: Iterable[str], used: set[str]) -> bool:
    found = False
    for text in ids:
        for pattern in patterns:
            if len(pattern) >= 4 and (  # noqa: PLR2004
                text.startswith(pattern) or text.partition(":")[2].startswith(pattern)
            ):
                used.add(pattern)
                found = True
    return found


def _made_for(image: ImageClaim) -> Platform:
    config = image.config
    return Platform.of(config.os or "linux", config.architecture, config.variant, config.os_version)


def _suits(platform: Platform, wanted: Iterable[Platform]) -> bool:
    return any(one.matches(platform) for one in wanted)


def _by_platform(graph: Graph, wanted: tuple[Platform, ...]) -> Graph:
    parts = _wanted_parts(graph, wanted)
    mine = [root for root in graph.roots if _subject(graph, root) is None and root.digest in parts]
    kept = _reached(parts, (root.digest for root in mine))
    # Keep the referrers of kept documents, and the referrers of those referrers.
    referrers: dict[Digest, list[Root]] = {}
    for root in graph.roots:
        subject = _subject(graph, root)
        if subject is not None:
            referrers.setdefault(subject, []).append(root)
    fresh = set(kept)
    while fresh:
        about = [root for digest in fresh for root in referrers.pop(digest, ())]
        mine += about
        fresh = {
            digest
            for digest in graph.below(*(root.digest for root in about))
            if digest in graph.documents
        } - kept
        kept |= fresh
    chosen = {root.digest for root in mine}
    return Graph(
        tuple(root for root in graph.roots if root.digest in chosen),
        {digest: document for digest, document in graph.documents.items() if digest in kept},
        {digest: config for digest, config in graph.configs.items() if digest in kept},
    )


def _wanted_parts(graph: Graph, wanted: tuple[Platform, ...]) -> dict[Digest, tuple[Digest, ...]]:
    """Return each document with an image for a wanted platform, and its wanted children.

    An index is judged after its children, because children come first in ``graph.documents``. So
    each document is judged once.
    """
    parts: dict[Digest, tuple[Digest, ...]] = {}
    for digest, document in graph.documents.items():
        links = document.children
        if not links:
            config = graph.configs.get(digest)
            if config is None or _suits(
                Platform.of(
                    config.os or "linux", config.architecture, config.variant, config.os_version
                ),
                wanted,
            ):
                parts[digest] = ()
            continue
        chosen = {
            str(link.digest): link.digest
            for link in links
            if ATTESTED not in link.annotations and link.digest in parts and _offered(link, wanted)
        }
        if chosen:
            attestations = (
                link.digest for link in links if link.annotations.get(ATTESTED) in chosen
            )
            parts[digest] = (*chosen.values(), *attestations)
    return parts


def _reached(parts: dict[Digest, tuple[Digest, ...]], roots: Iterable[Digest]) -> set[Digest]:
    """Return the roots and all documents that can be reached from them through ``parts``."""
    kept: set[Digest] = set()
    todo = list(roots)
    while todo:
        digest = todo.pop()
        if digest not in kept:
            kept.add(digest)
            todo.extend(parts.get(digest, ()))
    return kept


def _offered(link: Link, wanted: tuple[Platform, ...]) -> bool:
    platform = link.made_for
    return platform is None or _suits(platform, wanted)


def _renamed(
    images: tuple[ImageClaim, ...], graph: Graph, choice: Choice, notes: list[str]
) -> tuple[tuple[ImageClaim, ...], tuple[Root, ...]]:
    roots = graph.roots
    if choice.no_tags:
        return tuple(replace(image, tags=()) for image in images), tuple(
            Root(root.digest) for root in roots
        )
    if choice.tag is not None:
        return _tagged(images, graph, str(choice.tag))
    renamed = []
    for root in roots:
        names = [prefixed(name, choice.prefix) for name in root.names]
        if choice.prefix:
            names += [str(_repository(choice.prefix, tag)) for tag in root.bare]
        elif root.bare:
            notes.append(
                Note(
                    f"the archive names {root.digest} only by the tag {', '.join(root.bare)},"
                    " without a repository",
                    Remedy.NAME_BARE_TAG,
                )
            )
        renamed.append(Root(root.digest, tuple(dict.fromkeys(names))))
    return tuple(
        replace(image, tags=tuple(prefixed(tag, choice.prefix) for tag in image.tags))
        for image in images
    ), tuple(renamed)


def _tagged(
    images: tuple[ImageClaim, ...], graph: Graph, name: str
) -> tuple[tuple[ImageClaim, ...], tuple[Root, ...]]:
    mine = [image for image in images if image.listed and not image.described]
    main = [root for root in graph.roots if _subject(graph, root) is None] or list(graph.roots)
    if len(mine) + len(main) != 1:
        raise InvalidInput(
            f"cannot give one name to the {len(mine) + len(main)} images of the archive",
            remedy=Remedy.NAME_ONE_IMAGE,
        )
    return (
        tuple(replace(image, tags=(name,) if image in mine else ()) for image in images),
        tuple(Root(root.digest, (name,) if root in main else ()) for root in graph.roots),
    )


def prefixed(name: str, prefix: str) -> str:
    """Return ``name`` with ``prefix`` before it.

    Args:
        name: A name with a tag.
        prefix: A repository path such as ``team`` or ``team/``.

    Raises:
        InvalidReference: The result is not a valid name.
    """
    if not prefix:
        return name
    reference = Reference.parse(name)
    text = f"{prefix.rstrip('/')}/{reference.familiar}"
    try:
        return str(Reference.parse(text))
    except InvalidReference as exc:
        raise InvalidReference(
            f"invalid prefix {printable(prefix)!r}: it turns {printable(name)!r} into"
            f" {printable(text)!r}: {exc.message}",
            text=text,
            hint=exc.hint,
        ) from exc


def _repository(prefix: str, tag: str) -> Reference:
    return Reference.parse(f"{prefix.rstrip('/')}:{tag}")


def _sparse(graph: Graph, choice: Choice, notes: list[str]) -> None:
    absent = graph.absent()
    if not absent:
        return
    texts = [
        f"{link.made_for or link.artifact_type or 'unknown'} ({link.digest})" for _, link in absent
    ]
    shown = ", ".join(printable(text) for text in texts[:_SHOWN]) + (
        f" and {len(texts) - _SHOWN} more" if len(texts) > _SHOWN else ""
    )
    if choice.require_all:
        raise InvalidInput(
            f"the indexes list content that neither the archive nor the store has: {shown}",
            hint="import an archive that has all of this content",
            remedy=Remedy.ACCEPT_SPARSE,
        )
    notes.append(f"sparse index: neither the archive nor the store has {shown}")


def _names(claim: ArchiveClaim) -> str:
    names = [Reference.parse(name).familiar for root in claim.graph.roots for name in root.names]
    names += [tag for image in claim.images for tag in image.tags]
    names += [str(root.digest) for root in claim.graph.roots if not root.names] + [
        str(image.config.image_id)
        for image in claim.images
        if not image.tags and not image.described
    ]
    if not names:
        return "choose another archive: this one has no images"
    more = ", …" if len(names) > _SHOWN else ""
    return f"choose from {', '.join(printable(name) for name in names[:_SHOWN])}{more}"


def _platforms(claim: ArchiveClaim) -> str:
    found = {str(_made_for(image)) for image in claim.images}
    found |= {
        str(Platform.of(config.os, config.architecture, config.variant))
        for config in claim.graph.configs.values()
    }
    if not found:
        return "choose another archive: this one has no images"
    return f"choose from {', '.join(sorted(found))}"
