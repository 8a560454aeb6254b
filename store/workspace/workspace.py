"""An opened store: its units of work, operations, leases, stored bytes and clock.

Modules that only one method needs are imported in that method. For example, listing images does not
import the code that reads archives.
"""

from __future__ import annotations

import logging
import os
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Self

from store.blobs.directory import DirectoryBlobs, require_one_file_system
from store.db.database import Durability
from store.errors import (
    ReadOnlyStore,
    StoreError,
    StoreNotFound,
    Unavailable,
    printable,
)
from store.model.actors import NOBODY
from store.workspace import engines, root_folder
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
    from store.model.contents import Sources, StoredEncoding
    from store.model.digests import Digest
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
        locks: The locks of operations and uploads.
    """

    def __init__(
        self,
        root: Path,
        database: Database,
        *,
        clock: Callable[[], datetime],
        decoding: Decoding | None = None,
        actor: Actor = NOBODY,
        on_change: Callable[[], None] | None = None,
    ) -> None:
        self.root = root
        self.blobs = DirectoryBlobs(root)
        self.locks: Locks = FileLocks(root)
        self._clock = clock
        self._database = database
        self._actor = actor
        self._decoding = decoding
        self._on_change = on_change
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
        on_wait: Callable[[str], None] | None = None,
        on_create: Callable[[Path], None] | None = None,
        decoding: Decoding | None = None,
        actor: Actor = NOBODY,
        on_change: Callable[[], None] | None = None,
    ) -> Self:
        """Open the store at ``root``; upgrade an older schema after a backup.

        Args:
            root: The store's folder.
            create: Whether to create a store if there is none.
            read_only: Whether the caller only reads.
            group: ID of the group that shares a new store; None for a store of one user. A store
                that exists has to be shared with this group.
            clock: Returns the current time, in UTC.
            on_wait: Called with the name of the writer that this process has to wait for.
            on_create: Called with the folder of the store if there was none.
            decoding: The ceilings and the memory for decoding; None for those of a command.
            actor: The user of this process, for the events that it records.
            on_change: Called before each commit of a change; leases and operations do not count.

        Raises:
            StoreNotFound: There is no store at ``root``.
            SchemaMismatch: A newer program has upgraded the store.
            PermissionDenied: Another user owns the store, or may change it.
            Conflict: The store exists and is not shared with ``group``, or the folder of a new
                store has other files.
            Unavailable: The store cannot be opened, or is on several file systems.
        """
        resolved = root_folder.trusted(root, read_only=read_only)
        try:
            database = engines.open_database(
                resolved, read_only=read_only, now=clock, on_wait=on_wait
            )
        except StoreNotFound:
            if not create or read_only:
                raise
            resolved = root_folder.create(root, group=group)
            engines.upgrade(resolved, now=clock, on_wait=on_wait)
            database = engines.open_database(resolved, read_only=False, now=clock, on_wait=on_wait)
            if on_create is not None:
                on_create(resolved)
        try:
            require_one_file_system(resolved)
            if group is not None:
                root_folder.require_shared(resolved, group)
        except BaseException:
            database.close()
            raise
        return cls(
            resolved, database, clock=clock, decoding=decoding, actor=actor, on_change=on_change
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exc: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the store's connections."""
        self._database.close()

    @property
    def read_only(self) -> bool:
        """Whether the store is read-only."""
        return not self._database.is_writable

    def now(self) -> datetime:
        """Return the current time, in UTC."""
        return self._clock()

    # --- units ------------------------------------------------------------------------------------

    def read(self) -> AbstractContextManager[Connection]:
        """Return a read unit: every query inside sees the same snapshot of the catalogue."""
        return self._database.read()

    def look(self) -> AbstractContextManager[Lookup]:
        """Return this thread's look-ups, for fast queries of one statement."""
        return self._database.look()

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
        """
        self._require_writable()
        return change(
            self._database.write(owner, durability), actor or self._actor, self._on_change
        )

    def _write_operation(self, operation_id: str) -> AbstractContextManager[Connection]:
        """Return a write unit for the rows of an operation, which `on_change` does not count."""
        self._require_writable()
        return self._database.write(operation_id, Durability.SYNCED)

    def _require_writable(self) -> None:
        if self.read_only:
            hint = "check the mount and the permissions of the store's folder"
            raise ReadOnlyStore(f"the store at {self.root} is read-only", hint=hint)

    def catalogue_copy(self) -> AbstractContextManager[Connection]:
        """Return a connection to a private copy of the catalogue, on which changes can be tried."""
        return self._database.copy()

    def catalogue_bytes(self) -> int:
        """Return the size of the catalogue on disk in bytes."""
        return self._database.size_bytes()

    # --- operations -------------------------------------------------------------------------------

    @contextmanager
    def operation(self, kind: str) -> Iterator[Operation]:
        """Run an operation. Content that the operation leases is not collected during the block.

        First, operations of processes that have ended are swept. The caller ends the operation in
        the last write unit of the block (`store.workspace.operations.end`).

        Args:
            kind: The command or request, such as ``import``.

        Raises:
            ReadOnlyStore: The store is read-only.
        """
        import uuid

        from store.workspace import operations

        identifier = f"{kind}-{uuid.uuid4().hex[:20]}"
        with self._write_operation(identifier) as connection:
            operations.sweep(connection, self.root, self.blobs, self.locks)
            running = operations.begin(
                connection,
                self.root,
                self.locks,
                operation_id=identifier,
                kind=kind,
                now=self._clock(),
            )
        try:
            yield running
        except BaseException:
            try:
                with self._write_operation(identifier) as connection:
                    operations.abandon(connection, running, self.blobs)
            except StoreError:
                # The store cannot be written. The next operation sweeps this operation when its
                # lock is free.
                running.release_lock()
                raise
            operations.release(running)
            raise
        operations.release(running)

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

    @contextmanager
    def leased(self, kind: str, digests: Iterable[Digest]) -> Iterator[Path]:
        """Keep content from being collected while this block runs.

        A read-only store is never collected, so nothing is leased in it.

        Args:
            kind: The command or request, such as ``save``.
            digests: The digests to keep.

        Yields:
            A folder for temporary files, removed at the end of the block.
        """
        if self.read_only:
            from pathlib import Path
            from tempfile import TemporaryDirectory

            with TemporaryDirectory(prefix=f"storectl-{kind}-") as folder:
                yield Path(folder)
            return
        from store.catalog import content
        from store.catalog.in_progress import leases
        from store.workspace import operations

        with self.operation(kind) as operation:
            with self._write_operation(operation.id) as connection:
                leases.add_leases(
                    connection,
                    operation.id,
                    [known.key for known in content.find(connection, digests).values()],
                )
            yield operation.folder
            with self._write_operation(operation.id) as connection:
                operations.end(connection, operation)

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
        from store.workspace.proofs import Prover

        self._prover = self._prover or Prover(
            self.blobs, self._note_check, self.report_damage, self.decoding.memory
        )
        return self._prover

    def _note_check(self, digest: Digest, checked: StoredEncoding) -> bool:
        """Record that an encoding was checked; return whether that was possible."""
        from store.catalog import encodings

        if self.read_only:
            return False
        try:
            with self.write("check") as connection:
                encodings.note_check(connection, digest, checked.digest, seekable=checked.seekable)
        except Unavailable as exc:
            # The caller does not need the note, so a full disk must not prevent the answer.
            logger.warning("%s", printable(exc.message))
            return False
        return True

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
        """Append events to the store's history; a read-only store is not changed."""
        from store.catalog.events import add_events

        if events and not self.read_only:
            with self.write("events") as connection:
                add_events(connection, events)

    def record_reads(
        self, reads: Sequence[Event], reader: str, *, actor: Actor | None = None
    ) -> None:
        """Record that a reader took images; a read-only store is not changed.

        An image that the reader took in the last hour is not recorded again, and only the newest
        10,000 events of a reader are kept.

        Args:
            reads: Events of the same time.
            reader: The reader. Readers that cannot be told apart are one reader.
            actor: The user who reads, for the events; None for the user of this process.
        """
        from store.catalog.events import add_events, remove_old_reads, unrecorded_reads

        if self.read_only:
            return
        with self.read() as connection:
            reads = unrecorded_reads(connection, reads, reader=reader)
        if not reads:
            return
        with self.write("events", actor=actor) as connection:
            reads = unrecorded_reads(connection, reads, reader=reader)
            add_events(connection, reads, reader=reader)
            remove_old_reads(connection, reader=reader)
