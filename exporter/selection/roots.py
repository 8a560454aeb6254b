"""The roots of a save with manifests: the manifests and indexes that the user's names mean."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, final

from exporter.selection.holdings import Holdings
from exporter.selection.scopes import WHOLE_STORE, scope_of
from store.model.references import Reference
from store.names.resolve import (
    ResolvedImage,
    ResolvedManifest,
    ResolvedRepository,
    image_not_found,
    manifest_of_image,
    resolve,
    tags_of,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from sqlalchemy import Connection

    from exporter.options import MayRead
    from exporter.selection.document_reader import DocumentReader
    from store.catalog.references import TagTarget
    from store.model.digests import Digest
    from store.model.references import Repository


@final
@dataclass(frozen=True, slots=True)
class SavedRoot:
    """A manifest or index to save.

    Attributes:
        digest: The digest of the manifest or index.
        tags: Its tags in the archive; empty if it was named by a digest only.
        repositories: The repositories through which it was named.
        pinned: The repositories through which it was named by its digest.
    """

    digest: Digest
    tags: tuple[Reference, ...] = ()
    repositories: tuple[Repository, ...] = ()
    pinned: tuple[Repository, ...] = ()

    @property
    def names(self) -> tuple[Reference, ...]:
        """The names in the archive: the tags, and the digest in repositories without a tag."""
        tagged = {tag.repository for tag in self.tags}
        return (
            *self.tags,
            *(Reference(one, digest=self.digest) for one in self.pinned if one not in tagged),
        )

    @property
    def name(self) -> str:
        """The first tag, or the digest of a root without tags, for messages."""
        return self.tags[0].familiar if self.tags else str(self.digest)


def resolve_roots(
    connection: Connection,
    names: Sequence[str],
    reader: DocumentReader,
    may_read: MayRead | None = None,
) -> tuple[SavedRoot, ...]:
    """Return the manifests and indexes that ``names`` name, in the order of the names.

    Args:
        connection: A read transaction.
        names: Tags, repositories, digests, image IDs and prefixes of image IDs.
        reader: Bounds the number of roots.
        may_read: Returns whether the client may read a repository; None if it may read everything.

    Raises:
        AmbiguousName: A prefix fits several image IDs.
        ImageNotFound: No stored image has the ID or name.
        InvalidReference: A name is not a valid reference.
        ReferenceNotFound: The store has no such tag or digest.
        TooLarge: The names mean more manifests than the ceilings of ``reader`` allow.
    """
    reader.start_selection()
    chosen: dict[Digest, list[Reference]] = {}
    known = tags_of(connection, names)
    for name in names:
        reader.check()
        for digest, reference in _manifests(connection, name, reader.max_tags, may_read, known):
            reader.count_names(1)
            chosen.setdefault(digest, []).extend(() if reference is None else (reference,))
        reader.require_images(len(chosen))
    return tuple(
        SavedRoot(
            digest,
            tuple(dict.fromkeys(one for one in references if one.digest is None)),
            tuple(dict.fromkeys(one.repository for one in references)),
            tuple(dict.fromkeys(one.repository for one in references if one.digest is not None)),
        )
        for digest, references in chosen.items()
    )


def _manifests(
    connection: Connection,
    text: str,
    max_tags: int | None,
    may_read: MayRead | None,
    known: Mapping[Reference, TagTarget],
) -> Iterator[tuple[Digest, Reference | None]]:
    """Yield each manifest that ``text`` names, with the tag or digest reference that names it."""
    match resolve(connection, text, max_tags=max_tags, known=known):
        case ResolvedImage() as image:
            yield manifest_in_scope(connection, image, may_read).digest, None
        case ResolvedManifest() as manifest:
            require_in_scope(connection, manifest, may_read)
            yield manifest.digest, manifest.reference
        case ResolvedRepository() as repository:
            for target in repository.targets:
                yield target.digest, target.reference


def manifest_in_scope(
    connection: Connection, image: ResolvedImage, may_read: MayRead | None
) -> ResolvedManifest:
    """Return the manifest that stands for an image ID.

    Args:
        connection: A read transaction.
        image: The image.
        may_read: Returns whether the client may read a repository; None if it may read everything.

    Raises:
        ImageNotFound: The image has no manifest that the client may read.
    """
    scope = scope_of((), may_read)
    if scope is WHOLE_STORE:
        return manifest_of_image(connection, image)
    holdings = Holdings(connection)
    return manifest_of_image(connection, image, lambda some: scope.held(holdings, some))


def require_in_scope(
    connection: Connection, manifest: ResolvedManifest, may_read: MayRead | None
) -> None:
    """Check that a manifest that was named by its digest alone is readable.

    Args:
        connection: A read transaction.
        manifest: The manifest; one with a name is in the repository of the name.
        may_read: Returns whether the client may read a repository; None if it may read everything.

    Raises:
        ImageNotFound: The client may not read the manifest.
    """
    scope = scope_of((), may_read)
    if (
        manifest.reference is None
        and scope is not WHOLE_STORE
        and manifest.digest not in scope.held(Holdings(connection), (manifest.digest,))
    ):
        raise image_not_found(str(manifest.digest))
