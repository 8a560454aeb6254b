"""The roots of a save with manifests: the manifests and indexes that the user's names mean."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, final

from store.names.resolve import (
    ResolvedImage,
    ResolvedManifest,
    ResolvedRepository,
    manifest_of_image,
    resolve,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from sqlalchemy import Connection

    from exporter.selection.document_reader import DocumentReader
    from store.model.digests import Digest
    from store.model.references import Reference, Repository


@final
@dataclass(frozen=True, slots=True)
class SavedRoot:
    """A manifest or index to save.

    Attributes:
        digest: The digest of the manifest or index.
        tags: Its tags in the archive; empty if it was named by a digest only.
        repositories: The repositories through which it was named.
    """

    digest: Digest
    tags: tuple[Reference, ...] = ()
    repositories: tuple[Repository, ...] = ()

    @property
    def name(self) -> str:
        """The first tag, or the digest of a root without tags, for messages."""
        return self.tags[0].familiar if self.tags else str(self.digest)


def resolve_roots(
    connection: Connection, names: Sequence[str], reader: DocumentReader
) -> tuple[SavedRoot, ...]:
    """Return the manifests and indexes that ``names`` name, in the order of the names.

    Args:
        connection: A read transaction.
        names: Tags, repositories, digests, image IDs and prefixes of image IDs.
        reader: Bounds the number of roots.

    Raises:
        AmbiguousName: A prefix fits several image IDs.
        ImageNotFound: No stored image has the ID or name.
        InvalidReference: A name is not a valid reference.
        ReferenceNotFound: The store has no such tag or digest.
        TooLarge: The names mean more manifests than the ceilings of ``reader`` allow.
    """
    chosen: dict[Digest, list[Reference]] = {}
    for name in names:
        reader.check()
        for digest, reference in _manifests(connection, name, reader.max_tags):
            chosen.setdefault(digest, []).extend(() if reference is None else (reference,))
        reader.require_images(len(chosen))
    return tuple(
        SavedRoot(
            digest,
            tuple(dict.fromkeys(one for one in references if one.digest is None)),
            tuple(dict.fromkeys(one.repository for one in references)),
        )
        for digest, references in chosen.items()
    )


def _manifests(
    connection: Connection, text: str, max_tags: int | None
) -> Iterator[tuple[Digest, Reference | None]]:
    """Yield each manifest that ``text`` names, with the tag or digest reference that names it."""
    match resolve(connection, text, max_tags=max_tags):
        case ResolvedImage() as image:
            yield manifest_of_image(connection, image).digest, None
        case ResolvedManifest() as manifest:
            yield manifest.digest, manifest.reference
        case ResolvedRepository() as repository:
            for target in repository.targets:
                yield target.digest, target.reference
