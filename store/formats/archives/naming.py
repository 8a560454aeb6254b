"""Functions that give the chosen images of an archive their names."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final

from store.errors import InvalidDigest, InvalidInput, InvalidReference, TooLarge, printable
from store.model.references import Reference
from store.model.remedies import Note, Remedy

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from store.formats.archives.claims import ArchiveClaim, Graph, ImageClaim, Root
    from store.model.digests import Digest

_MAX_STEPS: Final = 5_000_000
"""The most documents below the images with a name, counted once for each image and repository.

Thousands of indexes with a name may share an index of thousands of manifests.
"""


def with_names(
    claim: ArchiveClaim,
    *,
    tag: Reference | None = None,
    prefix: str = "",
    no_tags: bool = False,
    wanted: Collection[str] = (),
) -> ArchiveClaim:
    """Return a claim whose images and roots have the names that the store will give them.

    Args:
        claim: The chosen part of an archive's claims.
        tag: The new name of the only image; None to keep the names of the archive.
        prefix: A repository path to put before every name; empty for none.
        no_tags: Whether to give no names.
        wanted: Names of the archive that are asked for, and so must be valid.

    Raises:
        InvalidInput: One name is given for several images.
        InvalidReference: A name with the prefix is not valid, or a name of ``wanted`` is not valid.
        TooLarge: The images with a name have too many documents below them.
    """
    if no_tags:
        return _renamed(claim, {}, {})
    if tag is not None:
        return _tagged(claim, str(tag))
    notes = list(claim.notes)
    _leave_out_unusable(claim, wanted, notes)
    given: dict[Digest, tuple[str, ...]] = {}
    for root in claim.graph.roots:
        names = [prefixed(name, prefix) for name in root.names]
        if prefix:
            names += [str(_repository(prefix, tag)) for tag in root.bare]
        given[root.digest] = tuple(dict.fromkeys(names))
    given |= _attachment_names(claim.graph, given, notes)
    notes += [
        Note(
            f"the archive names {root.digest} only by the tag {', '.join(root.bare)}, without a"
            " repository",
            Remedy.NAME_BARE_TAG,
        )
        for root in claim.graph.roots
        if root.bare and not given[root.digest]
    ]
    tags = {id(image): tuple(prefixed(tag, prefix) for tag in image.tags) for image in claim.images}
    return _renamed(replace(claim, notes=tuple(dict.fromkeys(notes))), given, tags)


def _renamed(
    claim: ArchiveClaim,
    names: Mapping[Digest, tuple[str, ...]],
    tags: Mapping[int, tuple[str, ...]],
) -> ArchiveClaim:
    roots = tuple(
        replace(root, names=names.get(root.digest, ()), bare=(), unusable=())
        for root in claim.graph.roots
    )
    images = tuple(
        replace(image, tags=tags.get(id(image), ()), unusable=()) for image in claim.images
    )
    return replace(claim, images=images, graph=replace(claim.graph, roots=roots))


def require_one(claim: ArchiveClaim) -> None:
    """Check that one image was chosen. Its referrers do not count.

    Args:
        claim: The chosen part of an archive's claims.

    Raises:
        InvalidInput: Several images were chosen, or none.
    """
    mine, main = _main(claim)
    count = len(mine) + len(main)
    if count != 1:
        raise InvalidInput(
            f"cannot take one image: the archive has {count} images", remedy=Remedy.NAME_ONE_IMAGE
        )


def _main(claim: ArchiveClaim) -> tuple[list[ImageClaim], list[Root]]:
    """Return the images without a manifest, and the manifests that refer to no other one."""
    graph = claim.graph
    mine = [image for image in claim.images if image.listed and not image.described]
    held = set(graph.below(*(root.digest for root in graph.roots)))
    return mine, [root for root in graph.roots if graph.subject_of(root) not in held]


def _tagged(claim: ArchiveClaim, name: str) -> ArchiveClaim:
    graph = claim.graph
    mine, main = _main(claim)
    if len(mine) + len(main) != 1:
        raise InvalidInput(
            f"cannot give one name to the {len(mine) + len(main)} images of the archive",
            remedy=Remedy.NAME_ONE_IMAGE,
        )
    given: dict[Digest, tuple[str, ...]] = {root.digest: (name,) for root in main}
    given |= _attachment_names(graph, given, [])
    return _renamed(claim, given, {id(image): (name,) for image in mine})


def _attachment_names(
    graph: Graph, given: Mapping[Digest, tuple[str, ...]], notes: list[str]
) -> dict[Digest, tuple[str, ...]]:
    """Return the names of the attachments that have none in ``given``.

    An attachment gets cosign's tag, in each repository in which its subject has a name.
    """
    found: dict[Digest, tuple[str, ...]] = {}
    attached = [root for root in graph.roots if root.attachment and not given.get(root.digest)]
    if not attached:
        return found
    named = {digest: names for digest, names in given.items() if names}
    repositories: dict[Digest, dict[str, None]] = {}
    steps = 0
    for digest, names in named.items():
        mine = dict.fromkeys(str(Reference.parse(name).repository) for name in names)
        for below in graph.below(digest):
            steps += len(mine)
            if steps > _MAX_STEPS:
                raise TooLarge(
                    "the images with a name and the documents below them are more than"
                    f" {_MAX_STEPS} together",
                    limit=_MAX_STEPS,
                    hint="import a part of the archive",
                )
            repositories.setdefault(below, {}).update(mine)
    taken = {name: digest for digest, names in named.items() for name in names}
    for root in attached:
        if root.attachment is None:
            continue
        subject, tag = root.attachment.subject, root.attachment.tag
        names = tuple(f"{repository}:{tag}" for repository in repositories.get(subject, ()))
        free = tuple(name for name in names if taken.setdefault(name, root.digest) == root.digest)
        found[root.digest] = free
        notes += [
            f"{root.digest} does not get the name {name}: {taken[name]} has this name"
            for name in names
            if name not in free
        ]
    return found


def _leave_out_unusable(claim: ArchiveClaim, wanted: Collection[str], notes: list[str]) -> None:
    """Note the names that are not valid.

    Raises:
        InvalidReference: A name of ``wanted`` is not valid.
    """
    roots = (text for root in claim.graph.roots for text in root.unusable)
    images = (text for image in claim.images for text in image.unusable)
    for text in dict.fromkeys((*roots, *images)):
        if text in wanted:
            raise InvalidReference(
                f"invalid image name {printable(text)!r}: {_reason(text)}",
                text=text,
                remedy=Remedy.NAME_IMAGE,
            )
        notes.append(
            Note(f"ignored the invalid image name {printable(text)!r}", Remedy.RENAME_IMAGE)
        )


def _reason(text: str) -> str:
    try:
        name = Reference.parse(text)
    except (InvalidReference, InvalidDigest) as exc:
        return exc.message
    if name.digest is not None:
        return "its content has another digest"
    return "it has no tag" if name.tag is None else "it is not a tag"


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
