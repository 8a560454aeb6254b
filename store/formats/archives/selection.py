"""Functions that choose the images to import from an archive.

An import claims, selects, names and validates. A claim lists everything in the archive, with the
errors of single images. The selection takes a part of the claim, and `naming` gives the part its
names. `validation` raises the errors of that part, so an error elsewhere refuses nothing.
"""

from __future__ import annotations

import re
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final, final

from store.errors import (
    InvalidDigest,
    InvalidInput,
    InvalidReference,
    printable,
)
from store.formats.archives.claims import Graph
from store.formats.archives.naming import require_one, with_names
from store.formats.archives.validation import raise_faults, validate, with_sparse_notes
from store.formats.golang.path_match import compile_pattern
from store.formats.image.layout_names import ATTESTED
from store.model.platforms import Platform
from store.model.references import Reference

if TYPE_CHECKING:
    from collections.abc import Collection, Container, Iterable, Sequence

    from store.formats.archives.claims import ArchiveClaim, BrokenImage, ImageClaim, Root
    from store.formats.image.config import ImageConfig
    from store.model.digests import Digest, ImageID

_SHOWN: Final = 10
_DIGITS: Final = re.compile(r"[0-9a-f]{64}")
"""An image ID in the path of a config."""


@final
class NothingChosen(InvalidInput):
    """An archive without an image for the wanted platforms."""


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
        notes_absent: Note the content of indexes that is absent.
        is_single: Refuse an archive of which several images are chosen.
    """

    platforms: tuple[Platform, ...] = ()
    images: tuple[str, ...] = ()
    tag: Reference | None = None
    prefix: str = ""
    no_tags: bool = False
    require_all: bool = False
    notes_absent: bool = True
    is_single: bool = False


ALL: Final = Choice()


def choose(claim: ArchiveClaim, choice: Choice) -> ArchiveClaim:
    """Return the chosen part of an archive's claims, with the chosen names.

    Args:
        claim: All claims of the archive.
        choice: The images to import, and their names.

    Raises:
        InvalidInput: The archive has no image that ``choice`` selects, one name is given for
            several images, or required content is absent.
        InvalidReference: A name with the prefix is not valid, or ``choice`` asks for a name of the
            archive that is not valid.
        StoreError: The first error of the claim in the chosen part.
    """
    chosen = select(claim, choice)
    raise_faults(chosen)
    if choice.is_single:
        require_one(chosen)
    named = with_names(
        chosen,
        tag=choice.tag,
        prefix=choice.prefix,
        no_tags=choice.no_tags,
        wanted=choice.images,
    )
    validate(named, require_all=choice.require_all)
    return with_sparse_notes(named) if choice.notes_absent else named


def select(claim: ArchiveClaim, choice: Choice) -> ArchiveClaim:
    """Return the part of an archive's claims that a choice selects, with the archive's names.

    Args:
        claim: All claims of the archive.
        choice: The images to import.

    Raises:
        InvalidInput: The archive has no image that ``choice`` selects.
    """
    part = _by_name(claim, choice.images)
    if choice.platforms:
        part = replace(
            part,
            images=tuple(image for image in part.images if _suits(image.config, choice.platforms)),
            graph=_by_platform(part.graph, choice.platforms),
            broken=tuple(
                image
                for image in part.broken
                if image.config is None or _suits(image.config, choice.platforms)
            ),
        )
        if not part.images and not part.graph.roots and not part.broken:
            raise NothingChosen(
                "the archive has no image for the platform"
                f" {' or '.join(map(str, choice.platforms))}",
                hint=_platforms(claim),
            )
    included = {image.config.image_id for image in part.images}
    images = tuple(
        image if image.parent in included else replace(image, parent=None) for image in part.images
    )
    return replace(part, images=images, graph=_reachable(part.graph))


def _reachable(graph: Graph) -> Graph:
    """Return a graph without the documents that its roots do not reach."""
    return _restricted(graph, set(graph.below(*(root.digest for root in graph.roots))))


def _restricted(graph: Graph, kept: Container[Digest]) -> Graph:
    """Return a graph with only the documents of ``kept``, and all of its roots."""
    return Graph(
        graph.roots,
        {digest: one for digest, one in graph.documents.items() if digest in kept},
        {digest: config for digest, config in graph.configs.items() if digest in kept},
        {digest: one for digest, one in graph.artifacts.items() if digest in kept},
        {digest: error for digest, error in graph.faults.items() if digest in kept},
    )


def _by_name(claim: ArchiveClaim, patterns: Sequence[str]) -> ArchiveClaim:
    if not patterns:
        return claim
    used: set[str] = set()
    roots = []
    with_image = _with_image(claim.graph, patterns)
    for root in claim.graph.roots:
        names = tuple(name for name in root.names if _fits(Reference.parse(name), patterns, used))
        bare = _matching(root.bare, patterns, used)
        unusable = _matching(root.unusable, patterns, used)
        if names or bare or unusable:
            roots.append(replace(root, names=names, bare=bare, unusable=unusable))
        else:
            used.update(begun := with_image.get(root.digest, frozenset()))
            if _begins([str(root.digest)], patterns, used) or begun:
                roots.append(root)
    chosen = set(claim.graph.below(*(root.digest for root in roots)))
    described = {
        claim.graph.configs[digest].image_id for digest in chosen if digest in claim.graph.configs
    }
    images = _images_by_name(claim.images, described, patterns, used)
    broken = tuple(image for image in claim.broken if _fits_broken(image, patterns, used))
    unused = [pattern for pattern in patterns if pattern not in used]
    if unused:
        raise InvalidInput(
            f"the archive has no image {' or '.join(repr(printable(name)) for name in unused)}",
            hint=_names(claim),
        )
    graph = replace(claim.graph, roots=_with_referrers(claim.graph, roots, chosen))
    return replace(claim, images=images, graph=graph, broken=broken)


def _images_by_name(
    images: Iterable[ImageClaim],
    described: Collection[ImageID],
    patterns: Sequence[str],
    used: set[str],
) -> tuple[ImageClaim, ...]:
    """Return the images that a pattern matches, and of the described images those chosen."""
    chosen = []
    for image in images:
        if image.described:
            if image.config.image_id in described:
                chosen.append(image)
            continue
        tags = tuple(tag for tag in image.tags if _fits(Reference.parse(tag), patterns, used))
        unusable = _matching(image.unusable, patterns, used)
        if tags or unusable:
            chosen.append(replace(image, tags=tags, unusable=unusable))
        elif _begins([str(image.config.image_id)], patterns, used):
            chosen.append(image)
    return tuple(chosen)


def _fits_broken(image: BrokenImage, patterns: Sequence[str], used: set[str]) -> bool:
    found = bool(_matching(image.tags, patterns, used))
    for tag in image.tags:
        with suppress(InvalidReference, InvalidDigest):
            found |= _fits(Reference.parse(tag), patterns, used)
    texts = [str(image.config.image_id)] if image.config is not None else []
    texts += [f"sha256:{part}" for part in _DIGITS.findall(image.path)]
    return _begins(texts, patterns, used) or found


def _with_referrers(graph: Graph, roots: Iterable[Root], kept: set[Digest]) -> tuple[Root, ...]:
    """Return ``roots`` with their referrers, the referrers of these, and so on.

    A referrer is imported with its subject, wherever the archive lists it.

    Args:
        graph: The graph of the archive.
        roots: The chosen roots.
        kept: The chosen documents; receives the documents of the referrers.
    """
    mine = {root.digest: root for root in roots}
    referrers: dict[Digest, list[Root]] = {}
    for root in graph.roots:
        subject = graph.subject_of(root)
        if subject is not None and root.digest not in mine:
            referrers.setdefault(subject, []).append(root)
    fresh = set(kept)
    while fresh:
        about = [root for digest in fresh for root in referrers.pop(digest, ())]
        mine.update({root.digest: root for root in about})
        fresh = set(graph.below(*(root.digest for root in about))) - kept
        kept |= fresh
    return tuple(mine[root.digest] for root in graph.roots if root.digest in mine)


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


def _matching(texts: Iterable[str], patterns: Sequence[str], used: set[str]) -> tuple[str, ...]:
    return tuple(
        text for text in texts if True in [_match(text, pattern, used) for pattern in patterns]
    )


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


def _made_for(config: ImageConfig) -> Platform:
    return Platform.of(config.os or "linux", config.architecture, config.variant, config.os_version)


def _suits(config: ImageConfig, wanted: Iterable[Platform]) -> bool:
    return _matches(_made_for(config), wanted)


def _matches(platform: Platform | None, wanted: Iterable[Platform]) -> bool:
    """Return whether something is for a wanted platform; True if its platform is not known."""
    return platform is None or any(one.matches(platform) for one in wanted)


def _by_platform(graph: Graph, wanted: tuple[Platform, ...]) -> Graph:
    parts = _wanted_parts(graph, wanted)
    mine = [
        root
        for root in graph.roots
        if graph.subject_of(root) is None
        and (
            _matches(root.platform, wanted) if root.digest in graph.faults else root.digest in parts
        )
    ]
    kept = _reached(parts, (root.digest for root in mine))
    roots = _with_referrers(graph, mine, kept)
    return _restricted(replace(graph, roots=roots), kept)


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
            if config is None or _suits(config, wanted):
                parts[digest] = ()
            continue
        chosen = {
            str(link.digest): link.digest
            for link in links
            if ATTESTED not in link.annotations
            and (link.digest in parts or link.digest in graph.faults)
            and _matches(link.made_for, wanted)
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


def _names(claim: ArchiveClaim) -> str:
    names = [Reference.parse(name).familiar for root in claim.graph.roots for name in root.names]
    names += [text for root in claim.graph.roots for text in root.unusable]
    for image in claim.images:
        names += [*(Reference.parse(tag).familiar for tag in image.tags), *image.unusable]
    names += [tag for image in claim.broken for tag in image.tags]
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
    found = {str(_made_for(image.config)) for image in claim.images}
    found |= {
        str(Platform.of(config.os, config.architecture, config.variant))
        for config in claim.graph.configs.values()
    }
    if not found:
        return "choose another archive: this one has no images"
    return f"choose from {', '.join(sorted(found))}"
