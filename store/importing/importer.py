"""Importing: read an archive, stage its content, and publish it in one transaction."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, BinaryIO, final

from store.catalog import content, encodings
from store.catalog.checking import verification
from store.catalog.in_progress import leases
from store.db.database import Durability
from store.errors import StorageFull
from store.formats.archives.opening import open_source
from store.formats.archives.selection import ALL, Choice
from store.formats.compression.settings import Compression
from store.importing.archive import ArchiveInput, LayerChecks
from store.importing.doubts import require_no_mismatch
from store.importing.intake import read_archive
from store.importing.inventory import InventoryReader
from store.importing.members.members import open_members
from store.importing.publisher import Publisher
from store.importing.report import ImportReport
from store.importing.room import Room
from store.importing.staging import Stager
from store.importing.workers import Pool
from store.model.contents import ContentState
from store.model.digests import DiffID
from store.model.limits import DEFAULT_LIMITS, Limits
from store.model.progress import Silent
from store.workspace import operations, soundness

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Sequence
    from pathlib import Path

    from sqlalchemy import Connection

    from store.db.types import ContentKey
    from store.formats.compression.growth import Outermost
    from store.importing.members.members import Members
    from store.model.digests import Digest
    from store.model.progress import Progress
    from store.workspace.operations import Operation
    from store.workspace.workspace import Workspace


@final
@dataclass(frozen=True, slots=True)
class ImportOptions:
    """Options of an import.

    Attributes:
        compression: How to encode layers that arrive uncompressed.
        limits: Ceilings for documents, members and layers.
        workers: Number of threads that encode; None for one per core.
        source_name: The name of the input in the ledger of imports.
        choice: The part of the archive to import.
        clobber: Whether the import may move a tag from a different image; if False, such an import
            fails.
        dry_run: Whether to read and check everything, but change nothing.
        readers: Number of threads that read layers from a network; None for one per core.
        kind: The kind of the operation, which the log of references shows.
        has_inventory: Whether the report lists the manifests and blobs of the images.
        on_publish: Called in the transaction that publishes the archive, before all changes; an
            error that it raises ends the import, and the store is unchanged. None for nothing.
        checks: When layers are compared with the diff IDs in the configs of their images.
        is_guarded: Whether the names get only what the source brings, and nothing else of what its
            manifests list and the store has.
    """

    compression: Compression = field(default_factory=Compression)
    limits: Limits = DEFAULT_LIMITS
    workers: int | None = None
    source_name: str = "-"
    choice: Choice = ALL
    clobber: bool = True
    dry_run: bool = False
    readers: int | None = None
    kind: str = "import"
    has_inventory: bool = False
    on_publish: Callable[[Connection], None] | None = None
    checks: LayerChecks = LayerChecks.NOTED
    is_guarded: bool = False


@final
@dataclass(frozen=True, slots=True)
class MembersSource:
    """An archive whose files do not come from a file, a folder or a pipe.

    Attributes:
        open: Returns the files; it receives the stager of the import.
        size_bytes: The bytes that will be read; None if their number is unknown.
        notes: Returns notes about the source after the import.
        outermost: Counts the bytes that are read; None for no count.
    """

    open: Callable[[Stager], Members]
    size_bytes: int | None = None
    notes: Callable[[], tuple[str, ...]] = tuple
    outermost: Outermost | None = None


def import_archive(
    workspace: Workspace,
    source: Path | BinaryIO,
    options: ImportOptions | None,
    progress: Progress | None,
) -> ImportReport:
    """Import an archive.

    Args:
        workspace: The opened store.
        source: An archive file, a folder, or a stream.
        options: None for the defaults.
        progress: Receives the progress of each file; None for no reports.

    Returns:
        What the import changed; in a dry run, what it would change.

    Raises:
        InvalidInput: The archive is damaged or exceeds a limit; the store is unchanged.
        NameTaken: A tag would move from a different image, and ``options.clobber`` is False.
        Unavailable: A file or the database cannot be used.
    """
    options = options or ImportOptions()
    progress = progress or Silent()
    room = Room(workspace.root, options.compression)
    with open_source(source, options.limits) as opened:
        files = MembersSource(
            lambda stager: open_members(opened, stager, options.limits, progress),
            opened.size_bytes,
            opened.notes,
            opened.outermost,
        )
        try:
            progress.total(files.size_bytes)
            return _import(workspace, files, options, room)
        except _DryRunDone as done:
            return done.report
        except StorageFull as exc:
            raise room.explained(exc) from exc


def import_members(
    workspace: Workspace, source: MembersSource, options: ImportOptions
) -> ImportReport:
    """Import an archive whose files come from elsewhere, such as from a registry.

    Args:
        workspace: The opened store.
        source: The files of the archive.
        options: How to import.

    Returns:
        What the import changed.

    Raises:
        InvalidInput: The archive is invalid or exceeds a limit; the store is unchanged.
        DiffMismatch: The layers of an image are not those of its config, and ``options.checks``
            forbids it.
        NameTaken: A tag would move from a different image, and ``options.clobber`` is False.
        Unavailable: The files cannot be read, or the store cannot be written.
    """
    return _import(workspace, source, options, None)


def _import(
    workspace: Workspace, source: MembersSource, options: ImportOptions, room: Room | None
) -> ImportReport:
    with (
        workspace.operation(options.kind) as operation,
        Pool(options.workers, options.readers) as pool,
    ):
        stager = Stager(operation, pool, options.compression, options.limits, source.outermost)
        members = source.open(stager)
        archive = read_archive(
            ArchiveInput(
                members,
                stager,
                options.limits,
                _Holdings(workspace, operation, has_documents=not options.is_guarded),
                options.choice,
                room,
                options.checks,
            )
        )
        if options.checks is LayerChecks.REQUIRED:
            require_no_mismatch(archive)
        staged = archive.staged()
        pool.durable()
        if staged:
            operation.prepare_list()
        with workspace.write(operation.id) as connection:
            if options.on_publish is not None:
                options.on_publish(connection)
            inventory = (
                InventoryReader(connection, archive.claim) if options.has_inventory else None
            )
            publisher = Publisher(
                connection,
                workspace.blobs,
                operation,
                limits=options.limits,
                now=workspace.now(),
                clobber=options.clobber,
                is_guarded=options.is_guarded,
            )
            done = publisher.publish(archive, source_name=options.source_name)
            report = ImportReport(
                images=tuple(done.images),
                tags=tuple(done.tags),
                lines=tuple(done.lines),
                notes=(*source.notes(), *archive.claim.notes, *archive.notes(), *done.notes),
                changed=done.changed,
                new_images=done.new_images,
                new_layers=done.new_layers,
                new_bytes=done.new_bytes,
                read_bytes=sum(one.diff.size_bytes for one in staged),
                inventory=None if inventory is None else inventory.read(),
            )
            if options.dry_run:
                # This rolls back the transaction and the operation, as after a failed import.
                raise _DryRunDone(report)
            operations.end(connection, operation)
    return report


class _DryRunDone(Exception):
    """Raised at the end of a dry run to roll the transaction back. It carries the report."""

    def __init__(self, report: ImportReport) -> None:
        super().__init__()
        self.report = report


@final
class _Holdings:
    """The store's holdings (`store.importing.archive.Holdings`); it leases what it finds.

    A guarded import gets no documents: the source of the import has those that it may rely on.
    """

    def __init__(
        self, workspace: Workspace, operation: Operation, *, has_documents: bool = True
    ) -> None:
        self._workspace = workspace
        self._operation = operation
        self._has_documents = has_documents
        self._leased: set[ContentKey] = set()

    def diffs(self, wanted: Iterable[DiffID]) -> set[DiffID]:
        """Return the diffs of ``wanted`` that the store has, and lease them."""
        return {DiffID(digest) for digest in self.blobs(diff.digest for diff in wanted)}

    def blobs(self, wanted: Iterable[Digest]) -> set[Digest]:
        """Return the digests of ``wanted`` whose bytes the store has, and lease them.

        The stored bytes are looked at: what is missing or damaged is read from the archive.
        """
        digests = list(wanted)
        with self._workspace.read() as connection:
            if not content.find(connection, digests):
                return set()
        gone = soundness.unsound(self._workspace, digests)
        with self._workspace.read() as connection:
            here = _present(connection, digests, gone)
        if self._leased.issuperset(known.key for known in here):
            # Nothing of it can have been collected, and other writers need not wait.
            return {known.digest for known in here}
        # Leases end with their process, so they need not survive a power cut.
        with self._workspace.write(self._operation.id, Durability.SOON) as connection:
            here = _present(connection, digests, gone)
            leases.add_leases(connection, self._operation.id, [known.key for known in here])
        self._leased.update(known.key for known in here)
        return {known.digest for known in here}

    def layers(self, wanted: Iterable[tuple[Digest, DiffID]]) -> set[tuple[Digest, DiffID]]:
        """Return the (blob, diff) pairs of ``wanted`` that the store has and knows as layers."""
        pairs = list(wanted)
        here = self.blobs({digest for pair in pairs for digest in (pair[0], pair[1].digest)})
        with self._workspace.read() as connection:
            decoded = encodings.encoded(
                connection, (digest for digest, _ in pairs if digest in here)
            )
            plain = verification.checked_layers(
                connection, (digest for digest, diff in pairs if digest == diff.digest)
            )
        return {
            (digest, diff)
            for digest, diff in pairs
            if digest in here
            and ((digest, diff.digest) in decoded or (digest == diff.digest and digest in plain))
        }

    def document(self, digest: Digest) -> bytes | None:
        """Return the bytes of a small document, or None if the store does not have it."""
        if not self._has_documents or not self.blobs((digest,)):
            return None
        return self._workspace.document(digest)


def _present(
    connection: Connection, digests: Sequence[Digest], gone: Collection[Digest]
) -> list[content.ContentRow]:
    """Return the rows of the digests that are present; leave out missing and damaged content."""
    return [
        known
        for known in content.find(connection, digests).values()
        if known.state is ContentState.PRESENT and known.digest not in gone
    ]
