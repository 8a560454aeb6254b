"""An opened store: its units of work, operations, leases, stored bytes and clock.

Modules that only one method needs are imported in that method. For example, listing images does not
import the code that reads archives.
"""

from __future__ import annotations

import logging
import os
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Self

from store.blobs.directory import DirectoryBlobs, require_one_file_system
from store.blobs.folders import QUARANTINED_FOR
from store.db.database import Durability
from store.errors import StoreNotFound
from store.files.space.reserve import Reserve
from store.model.actors import NOBODY
from store.model.cache_limits import CacheLimits
from store.model.waiting import WAITING
from store.workspace import copied_root, engines, root_folder
from store.workspace.change import change
from store.workspace.file_locks import FileLocks

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from contextlib import AbstractContextManager
    from pathlib import Path

    from sqlalchemy import Connection

    from store.catalog.events import Event
    from store.content.decoding import Decoding
    from store.content.reader import Reader
    from store.db.database import Database, Lookup
    from store.errors import ContentMissing, DamagedContent
    from store.model.actors import Actor
    from store.model.contents import Sources
    from store.model.digests import Digest
    from store.model.waiting import Waiting
    from store.workspace.locks import Locks
    from store.workspace.operations import Operation, Swept
    from store.workspace.proofs import Prover

logger = logging.getLogger(__name__)


def utc_now() -> datetime:
    """Return the wall-clock time in UTC."""
    return datetime.now(UTC)


class Workspace:
    """An opened store, without its commands. Use `Workspace.open` as a context manager.

    Other processes may use the same store at the same time, and threads may share a workspace.

    Attributes:
        root: The store's folder.
        blobs: The blob store in this folder.
        database: The catalogue.
        locks: The locks of operations and uploads.
        quarantine_for: How long a collection keeps files that the catalogue does not know.
        cache_limits: How much a collection keeps of what was pulled through.
        undo_for: How long a collection keeps what changes of tags can be rolled back to.
        waiting: How to wait for the locks of this store and of outputs.
        reserve: The space that the store keeps so that a full disk can be emptied.
    """

    def __init__(
        self,
        root: Path,
        database: Database,
        *,
        clock: Callable[[], datetime],
        decoding: Decoding | None = None,
        actor: Actor = NOBODY,
        waiting: Waiting = WAITING,
        on_change: Callable[[], None] | None = None,
        reserve: Reserve | None = None,
    ) -> None:
        self.root = root
        self.reserve = reserve or Reserve(root, engines.DATABASE_FILES[0])
        self.blobs = DirectoryBlobs(root)
        self.locks: Locks = FileLocks(root)
        self._clock = clock
        self.database = database
        self.waiting = waiting
        self._actor = actor
        self._decoding = decoding
        self._on_change = on_change
        self.quarantine_for = QUARANTINED_FOR
        self.cache_limits = CacheLimits()
        self.undo_for = timedelta(0)
        self._prover: Prover | None = None

    # --- opening ----------------------------------------------------------------------------------

    @classmethod
    def open(  # noqa: PLR0913 - what the whole program decides about the store
        cls,
        root: Path,
        *,
        create: bool = False,
        read_only: bool = False,
        group: int | None = None,
        clock: Callable[[], datetime] = utc_now,
        waiting: Waiting = WAITING,
        on_create: Callable[[Path], None] | None = None,
        decoding: Decoding | None = None,
        actor: Actor = NOBODY,
        on_change: Callable[[], None] | None = None,
        frees: bool = False,
    ) -> Self:
        """Open the store at ``root``; upgrade an older schema after a backup.

        Args:
            root: The store's folder.
            create: Whether to create a store if there is none.
            read_only: Whether the caller only reads.
            group: ID of the group that shares a new store; None for a store of one user. A store
                that exists has to be shared with this group.
            clock: Returns the current time, in UTC.
            waiting: How long to wait for other writers.
            on_create: Called with the folder of the store if there was none.
            decoding: The ceilings and the memory for decoding; None for those of a command.
            actor: The user of this process, for the events that it records.
            on_change: Called before each commit of a change; leases and operations do not count.
            frees: Whether the caller removes content, and may use the reserve on a full disk.

        Raises:
            StoreNotFound: There is no store at ``root``.
            SchemaMismatch: A newer program has upgraded the store.
            PermissionDenied: Another user owns the store, or may change it.
            Conflict: The store exists and is not shared with ``group``, or the folder of a new
                store has other files.
            Unavailable: The store cannot be opened, or is on several file systems.
        """
        resolved = root_folder.trusted(root, read_only=read_only)
        reserve = Reserve(resolved, engines.DATABASE_FILES[0])
        is_full = frees and not read_only and reserve.release_if_full()
        try:
            database = engines.open_database(
                resolved, read_only=read_only, now=clock, waiting=waiting
            )
        except StoreNotFound:
            if not create or read_only:
                raise
            resolved = root_folder.create(root, group=group)
            engines.upgrade(resolved, now=clock, waiting=waiting)
            database = engines.open_database(resolved, read_only=False, now=clock, waiting=waiting)
            if on_create is not None:
                on_create(resolved)
        try:
            require_one_file_system(resolved)
            if group is not None:
                root_folder.require_shared(resolved, group)
            if database.is_writable:
                copied_root.examine(
                    resolved, database, DirectoryBlobs(resolved), engines.DATABASE_FILES[0], clock()
                )
        except BaseException:
            database.close()
            raise
        if is_full:
            database.keep_log_small()
        elif database.is_writable:
            reserve.fill()
        return cls(
            resolved,
            database,
            clock=clock,
            decoding=decoding,
            actor=actor,
            waiting=waiting,
            on_change=on_change,
            reserve=reserve,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exc: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the store's connections, and make the reserve again if it was released."""
        self.database.close()
        if self.reserve.was_released:
            self.reserve.fill(needs_room=False)

    def refill_reserve(self) -> None:
        """Make the reserve again, if it was used to open the store, and keep the store open.

        A server calls this, because it closes the store only when it ends.
        """
        if self.reserve.was_released:
            # The connection stays open, and with it the files that SQLite needs.
            with self.read():
                pass
            self.reserve.fill(needs_room=False)

    @property
    def read_only(self) -> bool:
        """Whether the store is read-only."""
        return not self.database.is_writable

    def now(self) -> datetime:
        """Return the current time, in UTC."""
        return self._clock()

    # --- units ------------------------------------------------------------------------------------

    def read(self) -> AbstractContextManager[Connection]:
        """Return a read unit: every query inside sees the same snapshot of the catalogue."""
        return self.database.read()

    def raw(self) -> AbstractContextManager[Connection]:
        """Return a read unit whose rows may make no sense (`store.db.database.Database.raw`)."""
        return self.database.raw()

    def look(self) -> AbstractContextManager[Lookup]:
        """Return this thread's look-ups, for fast queries of one statement."""
        return self.database.look()

    def write(
        self,
        owner: str = "storectl",
        durability: Durability = Durability.SYNCED,
        *,
        actor: Actor | None = None,
    ) -> AbstractContextManager[Connection]:
        """Return a write unit: a change of the catalogue, committed as a whole or not at all.

        Args:
            owner: The name of this writer; a writer that waits for it shows this name.
            durability: When the change becomes safe from a power cut.
            actor: The user on whose behalf the store is changed; None for the user of this process.

        Raises:
            ReadOnlyStore: The store is read-only.
            StorageFull: The disk was full when the store was opened.
        """
        self.database.require_writable()
        return change(self.database.write(owner, durability), actor or self._actor, self._on_change)

    @contextmanager
    def write_to_free(self, owner: str, *, actor: Actor | None = None) -> Iterator[Connection]:
        """Open a write unit that removes content, and may use the reserve on a full disk.

        Args:
            owner: The name of this writer; a writer that waits for it shows this name.
            actor: The user on whose behalf the store is changed; None for the user of this process.

        Raises:
            ReadOnlyStore: The store is read-only.
            StorageFull: The disk is full, and there is no reserve.
        """
        with self.reserve.lent(), self.write(owner, actor=actor) as connection:
            yield connection

    def write_operation(self, operation_id: str) -> AbstractContextManager[Connection]:
        """Return a write unit for the rows of an operation, which `on_change` does not count.

        The rows matter only while the process of the operation lives, so nothing waits for the
        disk: after a power cut, sweeps find the operation by its folder.
        """
        self.database.require_writable()
        return self.database.write(operation_id, Durability.SOON)

    def catalogue_copy(self) -> AbstractContextManager[Connection]:
        """Return a connection to a private copy of the catalogue, on which changes can be tried."""
        return self.database.copy()

    def write_catalogue_copy(self, unit: Connection, target: Path) -> None:
        """Write the snapshot that a read unit sees to a file, without the rows of running work."""
        self.database.write_copy(unit, target)

    def catalogue_bytes(self) -> int:
        """Return the size of the catalogue on disk in bytes."""
        return self.database.size_bytes()

    # --- operations -------------------------------------------------------------------------------

    def operation(self, kind: str) -> AbstractContextManager[Operation]:
        """Run an operation. Content that the operation leases is not collected during the block.

        First, operations of processes that have ended are swept. The caller ends the operation in
        the last write unit of the block (`store.workspace.operations.end`).

        Args:
            kind: The command or request, such as ``import``.

        Raises:
            ReadOnlyStore: The store is read-only.
            StorageFull: The disk was full when the store was opened.
        """
        from store.workspace.running import operation

        return operation(self, kind)

    def sweep_operations(self) -> Swept:
        """Remove the operations of processes that have ended; return what was removed."""
        from store.workspace import operations

        with self.write("gc") as connection:
            return operations.sweep(connection, self.root, self.blobs, self.locks)

    def dead_operations(self) -> Swept:
        """Return what `sweep_operations` would remove."""
        from store.workspace import operations

        with self.read() as connection:
            return operations.dead(connection, self.root, self.locks)

    def leased(self, kind: str, digests: Iterable[Digest]) -> AbstractContextManager[Path]:
        """Keep content from being collected while this block runs.

        A store that cannot be written is not collected by this process, so nothing is leased in it.

        Args:
            kind: The command or request, such as ``save``.
            digests: The digests to keep.

        Returns:
            Yields a folder for temporary files, removed at the end of the block.
        """
        from store.workspace.running import leased

        return leased(self, kind, digests)

    # --- bytes ------------------------------------------------------------------------------------

    def sources(self, digests: Iterable[Digest]) -> dict[Digest, Sources]:
        """Return where the bytes of ``digests`` can be read; unknown digests are left out."""
        from store.catalog import content

        with self.read() as connection:
            return content.sources(connection, digests)

    def document(self, digest: Digest) -> bytes | None:
        """Return a small document that is stored in the catalogue, verified.

        Args:
            digest: The document's digest.

        Returns:
            The document's bytes; None if they are not stored in the catalogue.

        Raises:
            DamagedContent: The bytes do not have this digest.
        """
        found = self.sources((digest,)).get(digest)
        if found is None or found.inline is None:
            return None
        with self.reader() as reader:
            return b"".join(reader.chunks(found))

    def read_whole(self, digest: Digest) -> bytes:
        """Return the bytes of a small blob or document that the catalogue knows, verified.

        Args:
            digest: The digest of the bytes.

        Raises:
            ContentMissing: The file is missing, or no bytes are stored.
            DamagedContent: The bytes do not have this digest.
        """
        with self.reader() as reader:
            return b"".join(reader.chunks(self.sources((digest,))[digest]))

    @property
    def decoding(self) -> Decoding:
        """The ceilings and the memory with which stored bytes are decoded."""
        from store.content.decoding import Decoding

        self._decoding = self._decoding or Decoding()
        return self._decoding

    def reader(self) -> Reader:
        """Return a reader that verifies stored bytes. Use the reader as a context manager."""
        from store.content.reader import Reader

        return Reader(self.blobs, workers=max(2, os.cpu_count() or 1), memory=self.decoding.memory)

    @property
    def prover(self) -> Prover:
        """The object that checks the foreign encodings of this store."""
        from functools import partial

        from store.workspace.proofs import Prover, note_check

        self._prover = self._prover or Prover(
            self.blobs, partial(note_check, self), self.report_damage, self.decoding.memory
        )
        return self._prover

    def report_damage(self, error: DamagedContent | ContentMissing) -> bool:
        """Record damage that a reader has met, if the bytes are wrong when they are read again.

        Args:
            error: The error that was raised when the bytes were read.

        Returns:
            False if damage was found and cannot be recorded now (`store.workspace.damage`).
        """
        from store.workspace import damage

        return damage.report(self, error)

    def record(self, events: Sequence[Event]) -> None:
        """Append events to the store's history, unless it is read-only or its disk is full."""
        from store.catalog.events import add_events
        from store.workspace.running import unless_full

        if events and not self.read_only:
            with unless_full("record events"), self.write("events") as connection:
                add_events(connection, events)

    def record_reads(
        self, reads: Sequence[Event], reader: str, *, actor: Actor | None = None
    ) -> None:
        """Record that a reader took images, unless the store is read-only or its disk is full.

        An image that the reader took in the last hour is not recorded again, and only the newest
        10,000 events of a reader are kept.

        Args:
            reads: Events of the same time.
            reader: The reader. Readers that cannot be told apart are one reader.
            actor: The user who reads, for the events; None for the user of this process.
        """
        from store.catalog.events import add_events, remove_old_reads, unrecorded_reads
        from store.workspace.running import unless_full

        if self.read_only:
            return
        with self.read() as connection:
            reads = unrecorded_reads(connection, reads, reader=reader)
        if not reads:
            return
        with unless_full("record reads"), self.write("events", actor=actor) as connection:
            reads = unrecorded_reads(connection, reads, reader=reader)
            add_events(connection, reads, reader=reader)
            remove_old_reads(connection, reader=reader)
