"""The repair of a store: check it, bring back what is lost, and say what cannot be saved."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, final

from store.catalog.checking import losses
from store.content.examination import Condition
from store.errors import NotFound
from store.formats.compression.settings import Compression
from store.importing.staging import Stager
from store.importing.workers import Pool
from store.maintenance.fsck.run import check
from store.maintenance.reports import Finding, Severity
from store.model.contents import ContentState
from store.model.limits import DEFAULT_LIMITS, Limits
from store.repair import removal
from store.repair.archive_donor import open_archive
from store.repair.contents import Restored, bring, documents_of, publish, tidy
from store.repair.local_donor import LocalDonor
from store.repair.needs import LOST, find_needs
from store.repair.rows import Rebuilt, Rows
from store.repair.store_donor import is_store, open_store
from store.workspace import damage, operations

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from store.model.digests import Digest
    from store.model.progress import Progress
    from store.names.tagging import RemovedName
    from store.repair.donors import Donor, DonorSource
    from store.repair.needs import Needs
    from store.workspace.operations import Operation
    from store.workspace.workspace import Workspace


@final
@dataclass(frozen=True, slots=True)
class Source:
    """A donor that the user named.

    Attributes:
        name: What the user wrote.
        place: The path of an archive, of a folder or of a store, an open stream, or another kind of
            donor.
    """

    name: str
    place: Path | BinaryIO | DonorSource


@final
@dataclass(frozen=True, slots=True)
class RepairOptions:
    """Options of a repair.

    Attributes:
        sources: The donors, in the order in which they are asked.
        drop: Whether to remove the names, images and manifests that cannot be saved.
        dry_run: Whether to change nothing except marks of damage.
        compression: How to encode layers that arrive uncompressed.
        limits: Ceilings for documents, members and layers.
    """

    sources: Sequence[Source] = ()
    drop: bool = False
    dry_run: bool = False
    compression: Compression = field(default_factory=Compression)
    limits: Limits = DEFAULT_LIMITS


@final
@dataclass(frozen=True, slots=True)
class Loss:
    """Content that cannot be saved.

    Attributes:
        digest: The digest of the content.
        names: The tags that need it; digests of manifests without a tag.
    """

    digest: Digest
    names: tuple[str, ...]


@final
@dataclass(slots=True)
class RepairReport:
    """The result of a repair.

    Attributes:
        found: The findings before the repair.
        rebuilt: The rows that were written again, or would be.
        restored: The content whose bytes are right again, or would be.
        tidied: The number of lost files that nothing needs, because their content is stored
            otherwise.
        lost: The content that cannot be saved with these donors.
        removed: The names, images and manifests that were removed with the losses, or would be.
        left: The findings after the repair.
        dry_run: Whether nothing was changed.
    """

    found: list[Finding] = field(default_factory=list)
    rebuilt: list[Rebuilt] = field(default_factory=list)
    restored: list[Restored] = field(default_factory=list)
    tidied: int = 0
    lost: list[Loss] = field(default_factory=list)
    removed: tuple[RemovedName, ...] = ()
    left: list[Finding] = field(default_factory=list)
    dry_run: bool = False


@final
class Repair:
    """One repair of a store.

    Args:
        workspace: The store, which is not read-only.
        options: The donors, and what may be removed.
        progress: Receives the progress of each content.
    """

    def __init__(self, workspace: Workspace, options: RepairOptions, progress: Progress) -> None:
        self._workspace = workspace
        self._options = options
        self._progress = progress
        self._brought: set[Digest] = set()
        self._documents: dict[Digest, bytes] = {}
        self.report = RepairReport(dry_run=options.dry_run)

    def run(self) -> Iterator[Finding | Rebuilt | Restored | Loss]:
        """Repair the store; yield the findings, and what is rebuilt, restored and lost, at once.

        Raises:
            InvalidInput: A donor cannot be read, or is this store.
            StoreError: A donor cannot be opened, or the store cannot be written.
        """
        for finding in check(self._workspace, self._progress):
            self.report.found.append(finding)
            yield finding
        rows = Rows(self._workspace, self.report.found)
        self.report.rebuilt = rows.planned() if self._options.dry_run else rows.rebuild()
        yield from self.report.rebuilt
        self._lost = {
            finding.digest
            for finding in self.report.found
            if finding.kind in LOST and finding.digest is not None
        }
        yield from self._restore(None)
        for source in self._options.sources:
            if self._needs().wanted.every:
                yield from self._restore(source)
                # A manifest is derived from a config that the donor has brought.
                yield from self._restore(None)
        self._tidy()
        yield from self._losses()
        self._remove()
        self.report.left = self._left()

    def _left(self) -> list[Finding]:
        """Return what a new check finds; in a dry run, what it would find."""
        if not self._options.dry_run:
            return list(check(self._workspace, self._progress))
        lost = set() if self._options.drop else {one.digest for one in self.report.lost}
        lost |= {pair.stored for pair in self._needs().encodings if pair.decoded in lost}
        rebuilt = {(one.table, one.digest) for one in self.report.rebuilt}
        return [
            one
            for one in self.report.found
            if (one.digest in lost if one.kind in LOST else (one.table, one.digest) not in rebuilt)
        ]

    def _needs(self) -> Needs:
        with self._workspace.read() as connection:
            return find_needs(connection, self._lost, brought=self._brought)

    def _restore(self, source: Source | None) -> Iterator[Restored]:
        needs = self._needs()
        if not needs.wanted.every:
            return
        with self._workspace.read() as connection:
            documents = documents_of(connection, needs)
        try:
            restored = self._ask(source, needs, documents)
        except _DryRunDone as done:
            restored = done.restored
        if self._options.dry_run:
            digests = {one.digest for one in restored}
            self._brought |= digests
            self._brought |= {pair.decoded for pair in needs.encodings if pair.stored in digests}
        else:
            self._lost = {digest for digest in self._lost if self._is_lost(digest)}
        self.report.restored += restored
        yield from restored

    def _is_lost(self, digest: Digest) -> bool:
        """Return whether the bytes of a digest that was lost are still not there."""
        sources = self._workspace.sources((digest,)).get(digest)
        if sources is None or sources.state is ContentState.ABSENT:
            # A lost encoding was replaced by another one.
            return False
        if sources.inline is None and not sources.in_file:
            return not sources.encodings
        found = damage.examination(self._workspace, digest)
        return found is not None and found.condition is not Condition.SOUND

    def _ask(
        self, source: Source | None, needs: Needs, documents: frozenset[Digest]
    ) -> list[Restored]:
        """Ask one donor, and publish what it has brought.

        Args:
            source: The donor; None for the store itself.
            needs: What the store lacks.
            documents: The wanted digests of documents.
        """
        workspace, options = self._workspace, self._options
        with (
            workspace.operation("repair") as operation,
            Pool(None) as pool,
            self._donor(source, needs, operation, pool) as donor,
        ):
            brought = bring(donor, needs, documents)
            pool.durable()
            restored = brought.restored(donor.name)
            # The donor stays open: it may hold the locks of the files that it has brought.
            with workspace.write(operation.id) as connection:
                if options.dry_run:
                    self._documents |= brought.documents
                    # Roll the operation back, as after a failed import.
                    raise _DryRunDone(restored)
                if not brought.is_empty:
                    publish(connection, workspace, operation, brought, needs, options.limits)
                operations.end(connection, operation)
        return restored

    @contextmanager
    def _donor(
        self, source: Source | None, needs: Needs, operation: Operation, pool: Pool
    ) -> Iterator[Donor]:
        workspace, options = self._workspace, self._options
        stager = Stager(operation, pool, options.compression, options.limits)
        if source is None:
            with workspace.reader() as reader:
                yield LocalDonor(workspace, needs, reader, stager, self._documents)
            return
        if not isinstance(source.place, Path) and hasattr(source.place, "open"):
            with source.place.open(workspace, stager, options.limits, self._progress) as donor:
                yield donor
            return
        if isinstance(source.place, Path) and not source.place.exists():
            raise NotFound(f"cannot read {source.name!r}: no such file or folder")
        if isinstance(source.place, Path) and is_store(source.place):
            with open_store(
                source.place,
                source.name,
                workspace,
                operation=operation,
                pool=pool,
                compression=options.compression,
                limits=options.limits,
                progress=self._progress,
            ) as store:
                yield store
            return
        with open_archive(
            source.place,
            source.name,
            needs.wanted,
            workspace,
            operation=operation,
            pool=pool,
            compression=options.compression,
            limits=options.limits,
            progress=self._progress,
        ) as archive:
            yield archive

    def _tidy(self) -> None:
        needs = self._needs()
        needs = replace(needs, stored_otherwise=needs.stored_otherwise | self._lost_copies())
        tidied = needs.redundant | needs.stored_otherwise
        self.report.tidied = len(tidied)
        self._lost -= tidied
        if self._options.dry_run:
            self._brought |= tidied
        elif tidied:
            with self._workspace.write("repair") as connection:
                tidy(connection, needs, self._workspace.now())

    def _lost_copies(self) -> frozenset[Digest]:
        """Return the documents in the catalogue whose other copy, in a file, is missing."""
        blobs = self._workspace.blobs
        with self._workspace.read() as connection:
            twice = losses.stored_twice(connection)
        return frozenset(
            digest for digest, size in twice if blobs.size(blobs.location(digest)) != size
        )

    def _losses(self) -> Iterator[Loss]:
        lost = self._needs().wanted.every
        with self._workspace.read() as connection:
            for digest in sorted(lost, key=str):
                doomed = losses.doomed(connection, {digest})
                loss = Loss(digest, tuple(losses.names_of(connection, doomed)))
                self.report.lost.append(loss)
                yield loss

    def _remove(self) -> None:
        if not self._options.drop or not self.report.lost:
            return
        lost = {one.digest for one in self.report.lost} | self._needs().unnamed
        if self._options.dry_run:
            with self._workspace.catalogue_copy() as connection:
                self.report.removed = removal.remove_lost(connection, lost, self._workspace.now())
            return
        with self._workspace.write("repair") as connection:
            self.report.removed = removal.remove_lost(connection, lost, self._workspace.now())


def errors_left(report: RepairReport) -> list[Finding]:
    """Return the errors that are left after a repair; after a dry run, those that would be.

    Args:
        report: The result of a repair.
    """
    return [one for one in report.left if one.severity is Severity.ERROR]


class _DryRunDone(Exception):
    """Raised at the end of a dry run to roll the operation back."""

    def __init__(self, restored: list[Restored]) -> None:
        super().__init__()
        self.restored = restored
