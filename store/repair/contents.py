"""The repair of lost bytes: fetch them from a donor, verify them, and publish exactly them."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, final

from store.catalog import content
from store.catalog.checking import losses, marks
from store.catalog.collection import condemned
from store.formats.archives.claims import ArchiveClaim
from store.importing.archive import ReadArchive
from store.importing.placement import Placement
from store.model.digests import DiffID, Digest

if TYPE_CHECKING:
    from datetime import datetime

    from sqlalchemy import Connection

    from store.importing.staging import Staged
    from store.model.limits import Limits
    from store.repair.donors import Donor
    from store.repair.needs import Needs
    from store.workspace.operations import Operation
    from store.workspace.workspace import Workspace


class Role(StrEnum):
    """What restored bytes are."""

    DOCUMENT = "document"
    """A config, manifest or index."""
    BLOB = "blob"
    """Bytes under their own digest."""
    LAYER = "layer"
    """A layer, perhaps in another encoding than before."""


@final
@dataclass(frozen=True, slots=True)
class Restored:
    """Content whose bytes are right again.

    Attributes:
        digest: The digest of the content.
        role: What the bytes are.
        size_bytes: The size of the bytes.
        donor: What the user calls the place from which the bytes came.
    """

    digest: Digest
    role: Role
    size_bytes: int
    donor: str


@final
@dataclass(slots=True)
class Brought:
    """What a donor has brought, verified.

    Attributes:
        documents: Configs, manifests and indexes by digest.
        blobs: Staged bytes by their own digest.
        layers: Staged layers by the digest of their decoded bytes.
    """

    documents: dict[Digest, bytes] = field(default_factory=dict)
    blobs: dict[Digest, Staged] = field(default_factory=dict)
    layers: dict[Digest, Staged] = field(default_factory=dict)

    @property
    def is_empty(self) -> bool:
        """Whether the donor had nothing of what is wanted."""
        return not (self.documents or self.blobs or self.layers)

    def restored(self, donor: str) -> list[Restored]:
        """Return a line of the report for each content."""
        return [
            *(
                Restored(digest, Role.DOCUMENT, len(data), donor)
                for digest, data in self.documents.items()
            ),
            *(
                Restored(digest, Role.BLOB, staged.stored.size_bytes, donor)
                for digest, staged in self.blobs.items()
            ),
            *(
                Restored(digest, Role.LAYER, staged.diff.size_bytes, donor)
                for digest, staged in self.layers.items()
            ),
        ]


def bring(donor: Donor, needs: Needs, documents: frozenset[Digest]) -> Brought:
    """Ask a donor for everything that is wanted, and keep what has the right digest.

    Args:
        donor: The donor.
        needs: What the store lacks.
        documents: The wanted digests that are configs, manifests or indexes.

    Raises:
        Unavailable: The donor or the store fails.
    """
    brought = Brought()
    for digest in sorted(needs.wanted.exact, key=str):
        if digest in documents:
            data = donor.document(digest)
            if data is not None and Digest.of(data, digest.algorithm) == digest:
                brought.documents[digest] = data
                continue
        staged = donor.blob(digest)
        if staged is not None and staged.stored.digest == digest:
            brought.blobs[digest] = staged
        elif (
            staged is not None
            and staged.original is not None
            and staged.original.stored.digest == digest
        ):
            brought.blobs[digest] = staged.original
    decoded = {
        pair.decoded
        for pair in needs.encodings
        if pair.stored in brought.blobs
        and brought.blobs[pair.stored].is_decoded
        and brought.blobs[pair.stored].diff.digest == pair.decoded
    }
    there = decoded | set(brought.blobs) | set(brought.documents)
    for digest in sorted(needs.wanted.diffs - there, key=str):
        staged = donor.diff(digest)
        if staged is not None and (
            (staged.is_decoded and digest in (staged.diff.digest, *staged.aliases))
            or staged.stored.digest == digest
        ):
            brought.layers[digest] = staged
    return brought


def documents_of(connection: Connection, needs: Needs) -> frozenset[Digest]:
    """Return the wanted digests that are configs, manifests or indexes.

    Args:
        connection: A read unit.
        needs: What the store lacks.
    """
    return frozenset(losses.documents_among(connection, needs.wanted.exact))


def publish(
    connection: Connection,
    workspace: Workspace,
    operation: Operation,
    brought: Brought,
    needs: Needs,
    limits: Limits,
) -> None:
    """Replace lost bytes by those that a donor has brought, in one transaction.

    Args:
        connection: A write unit.
        workspace: The store.
        operation: The operation in whose folder the files are staged.
        brought: The verified bytes.
        needs: What the store lacks.
        limits: Say how large a document in the database may be.

    Raises:
        Unavailable: A file cannot be moved.
    """
    # The bytes are replaced in this unit. Nothing is replaced that counts as present, and readers
    # would prefer a lost encoding of a layer to one that takes its place.
    for digest in (
        *brought.documents,
        *brought.blobs,
        *brought.layers,
        *(
            pair.stored
            for pair in needs.encodings
            if pair.decoded in brought.layers and pair.stored in needs.lost
        ),
    ):
        marks.mark_damaged(connection, digest)
    encoded = {pair.stored for pair in needs.encodings}
    archive = ReadArchive(
        # The claim of an archive without images: nothing but bytes is published.
        ArchiveClaim(Digest.of(b""), ()),
        layers={DiffID(digest): staged for digest, staged in brought.layers.items()},
        blobs={
            digest: staged
            for digest, staged in brought.blobs.items()
            if digest in encoded and staged.is_decoded
        },
        others={
            digest: staged
            for digest, staged in brought.blobs.items()
            if digest not in encoded or not staged.is_decoded
        },
    )
    placement = Placement(
        connection, workspace.blobs, operation, limits=limits, now=workspace.now()
    )
    placement.move_files(archive)
    placement.put_documents(brought.documents)


def tidy(connection: Connection, needs: Needs, now: datetime) -> None:
    """Delete the rows of lost bytes whose content is stored otherwise.

    Args:
        connection: A write unit.
        needs: What the store lacks.
        now: The current time.
    """
    if needs.redundant:
        losses.forget(connection, needs.redundant)
        condemned.condemn(connection, list(needs.redundant), now)
    for digest in needs.stored_otherwise:
        content.forget_file(connection, digest)
    losses.clear(connection, needs.stored_otherwise)
