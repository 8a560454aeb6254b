"""Names to manifests: what an OCI archive has at its top."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, final

from store.catalog import images, manifests, references
from store.errors import (
    ImageNotFound,
    InvalidDigest,
    InvalidReference,
    ReferenceNotFound,
    printable,
)
from store.model.digests import ImageID
from store.model.references import Reference
from store.model.remedies import Remedy
from store.names.resolve import by_prefix, full_id

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy import Connection

    from store.model.digests import Digest
    from store.model.references import Repository


@final
@dataclass(frozen=True, slots=True)
class SavedRoot:
    """A manifest or index to save, with the tags that the arguments gave it, and the repositories in which they named it."""

    digest: Digest
    tags: tuple[Reference, ...] = ()
    repositories: tuple[Repository, ...] = ()

    @property
    def name(self) -> str:
        """What messages call it."""
        return self.tags[0].familiar if self.tags else str(self.digest)


def resolve(connection: Connection, names: Sequence[str]) -> tuple[SavedRoot, ...]:
    """What the arguments name, in the order of their first mention.

    Tags, repositories, digests, image IDs and their beginnings.

    Raises ImageNotFound, ReferenceNotFound, AmbiguousName, InvalidReference.
    """
    chosen: dict[Digest, list[Reference]] = {}
    for name in names:
        for digest, named in _resolve(connection, name):
            chosen.setdefault(digest, []).extend(() if named is None else (named,))
    return tuple(
        SavedRoot(
            digest,
            tuple(dict.fromkeys(one for one in named if one.digest is None)),
            tuple(dict.fromkeys(one.repository for one in named)),
        )
        for digest, named in chosen.items()
    )


def _resolve(connection: Connection, text: str) -> list[tuple[Digest, Reference | None]]:
    """The manifests that ``text`` names, each with the tag or the digest of a repository that it goes by."""
    digest = full_id(text)
    if digest is not None:
        if manifests.key_of(connection, digest) is not None:
            return [(digest, None)]
        return [(_of_image(connection, ImageID(digest), text), None)]
    try:
        name = Reference.parse(text)
    except InvalidDigest as exc:
        raise InvalidReference(f"invalid reference format: {exc.message}", text=text) from exc
    if name.digest is not None:
        if references.holds(connection, name.repository, name.digest) is None:
            raise ReferenceNotFound(
                f"{name.familiar}: reference does not exist", remedy=Remedy.LIST_IMAGES
            )
        return [(name.digest, name)]
    if name.tag is not None and name.repository.familiar != "sha256":
        target = references.get(connection, name)
        if target is None:
            raise ReferenceNotFound(
                f"{name.familiar}: reference does not exist", remedy=Remedy.LIST_IMAGES
            )
        return [(target.digest, target.reference)]
    if name.repository.familiar != "sha256" and (
        found := references.in_repository(connection, name.repository)
    ):
        return [(target.digest, target.reference) for target in found]
    image_id = by_prefix(connection, text)
    if image_id is None:
        raise ImageNotFound(f"No such image: {printable(text)}", remedy=Remedy.LIST_IMAGES)
    return [(_of_image(connection, image_id, text), None)]


def _of_image(connection: Connection, image_id: ImageID, text: str) -> Digest:
    """The manifest that stands for an image: one with a name or kept, before one that is only part of an index; of several the smallest digest."""
    key = images.key_of(connection, image_id)
    known = [] if key is None else manifests.roots_of(connection, key)
    if not known:
        raise ImageNotFound(f"No such image: {printable(text)}", remedy=Remedy.LIST_IMAGES)
    return min(known, key=lambda one: (not one[1], str(one[0])))[0]
