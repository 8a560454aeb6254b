"""The document log of a store: what is needed to make its catalogue again, kept beside it.

Each write unit appends the documents that it stored and the references that it changed, after its
commit and before another writer can begin. Nothing waits for the disk, and an error never fails the
unit. A log that misses something says so: its last mark is not at the position of the catalogue.
Later units then append what is missing, a page at a time.
"""

from __future__ import annotations

import logging
import os
import time
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final, final

from store.catalog.lists import recorded_rows
from store.db.changes import Position
from store.documents import records
from store.documents.blocks import BlockWriter, Mark, last_mark, mark
from store.documents.folder import DOCUMENTS, LOG, set_aside_name
from store.errors import StoreError
from store.files.creation import NO_FOLLOW, create_file, open_folder

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from pathlib import Path

    from sqlalchemy import Connection

    from store.db.changes import Value

logger = logging.getLogger(__name__)

BLOCK_BYTES: Final = 64 * 1024
"""A block is closed when its records have this many bytes. A damaged block is lost as a whole."""

_SPILL_BYTES: Final = 4 * 1024 * 1024
PAGE_ROWS: Final = 250
PAGE_BYTES: Final = 1024 * 1024
"""How much a unit appends of what the log misses. This takes a few milliseconds."""


@final
class Blocks:
    """A buffer that packs records into blocks."""

    def __init__(self, writer: BlockWriter) -> None:
        self._writer = writer
        self._open: list[bytes] = []
        self._open_bytes = 0
        self._closed: list[bytes] = []
        self.closed_bytes = 0

    def add(self, record: bytes) -> None:
        """Add a record."""
        self._open.append(record)
        self._open_bytes += len(record)
        if self._open_bytes >= BLOCK_BYTES:
            self._close()

    def take(self) -> bytes:
        """Return the blocks of all records that were added since the last call."""
        if self._open:
            self._close()
        data = b"".join(self._closed)
        self._closed, self.closed_bytes = [], 0
        return data

    def _close(self) -> None:
        block = self._writer.block(b"".join(self._open))
        self._open, self._open_bytes = [], 0
        self._closed.append(block)
        self.closed_bytes += len(block)


@final
@dataclass(frozen=True, slots=True)
class _OpenLog:
    """A log that is open for appending.

    Attributes:
        descriptor: The file.
        size_bytes: The size before anything is appended.
        position: What the log is complete up to.
    """

    descriptor: int
    size_bytes: int
    position: Position


@final
class DocumentLog:
    """The document log of one store, as its writers use it.

    Args:
        root: The store's folder.
        clock: Returns the time in seconds since 1970.
    """

    def __init__(self, root: Path, clock: Callable[[], float] = time.time) -> None:
        self._root = root
        self._clock = clock
        self._writer = BlockWriter()
        self._is_warned = False

    def begin(self) -> Unit:
        """Return the listener of a write unit."""
        return Unit(self)

    def append(
        self,
        unit: Unit,
        connection: Connection,
        before: Position,
        after: Position,
    ) -> None:
        """Append a unit that has been committed, and some of what the log misses.

        Args:
            unit: The changes.
            connection: A connection to the catalogue, without a transaction.
            before: The position of the catalogue before the unit.
            after: The position after the unit.
        """
        with self.harmless(), self._opened(before) as log:
            position = log.position
            if position == before:
                missing, position = b"", after
            else:
                missing, position = self._missing(connection, position, after)
            end = mark(Mark(position, int(self._clock() * 1_000_000)))
            self._write(log, unit.facts.take() + missing + unit.changes.take() + end)

    def spill(self, blocks: Blocks) -> None:
        """Append the facts of a unit that is not committed yet, so that memory stays bounded."""
        with self.harmless(), self._opened(None) as log:
            self._write(log, blocks.take())

    @contextmanager
    def harmless(self) -> Iterator[None]:
        """Report an error of the log once, as a warning: it must not fail a change."""
        try:
            yield
        except Exception as exc:  # noqa: BLE001 - whatever it is, the change is made without it
            if not self._is_warned:
                self._is_warned = True
                reason = exc.message if isinstance(exc, StoreError) else str(exc)
                logger.warning(
                    "cannot record documents beside the catalogue: %s; a rescue would miss the"
                    " latest changes until a later command or `gc` has recorded them",
                    reason,
                )

    def _missing(
        self, connection: Connection, start: Position, end: Position
    ) -> tuple[bytes, Position]:
        """Return a page of what the catalogue has and the log misses, and the position after it."""
        blocks = Blocks(self._writer)
        with connection.begin():
            page = recorded_rows.page(
                connection, start, end, max_rows=PAGE_ROWS, max_bytes=PAGE_BYTES
            )
            for kind, values in page.rows:
                blocks.add(records.encode(kind, values))
        return blocks.take(), page.position

    @contextmanager
    def _opened(self, before: Position | None) -> Iterator[_OpenLog]:
        """Open the log; begin a new log if there is none, or if it is of a newer catalogue.

        Args:
            before: The position of the catalogue; None if it is not known.
        """
        with open_folder(self._root, DOCUMENTS, create=True) as folder:
            descriptor = self._open(folder)
            try:
                size = os.fstat(descriptor).st_size
                position = _position(descriptor, size)
                if before is not None and not before.covers(position):
                    os.close(descriptor)
                    self._set_aside(folder)
                    descriptor = self._open(folder)
                    size, position = 0, Position()
                yield _OpenLog(descriptor, size, position)
            finally:
                os.close(descriptor)

    def _open(self, folder: int) -> int:
        flags = os.O_RDWR | os.O_APPEND | os.O_NONBLOCK | NO_FOLLOW
        try:
            return os.open(LOG, flags, dir_fd=folder)
        except FileNotFoundError:
            os.close(create_file(self._root / DOCUMENTS / LOG))
            return os.open(LOG, flags, dir_fd=folder)

    def _set_aside(self, folder: int) -> None:
        """Keep the log of a newer catalogue: it may be the only copy of newer documents."""
        now = datetime.fromtimestamp(self._clock(), UTC)
        name = set_aside_name(now, os.listdir(folder))
        os.rename(LOG, name, src_dir_fd=folder, dst_dir_fd=folder)

    def _write(self, log: _OpenLog, data: bytes) -> None:
        written = 0
        try:
            while written < len(data):
                written += os.write(log.descriptor, data[written:])
        except OSError:
            with suppress(OSError):
                os.ftruncate(log.descriptor, log.size_bytes)
            raise


@final
class Unit:
    """The listener of one write unit (`store.db.changes.UnitListener`).

    Attributes:
        facts: The documents, and what is true of them whether or not the unit is committed.
        changes: The changes of names.
    """

    def __init__(self, log: DocumentLog) -> None:
        self._log = log
        self.facts = Blocks(log._writer)  # noqa: SLF001 - the unit of this log
        self.changes = Blocks(log._writer)  # noqa: SLF001
        self._is_empty = True

    def changed(self, kind: str, values: tuple[Value, ...]) -> None:
        """Note a changed row."""
        with self._log.harmless():
            self._is_empty = False
            blocks = self.facts if kind in records.FACTS else self.changes
            blocks.add(records.encode(kind, values))
            if self.facts.closed_bytes > _SPILL_BYTES:
                self._log.spill(self.facts)

    def committed(self, connection: Connection, before: Position, after: Position) -> None:
        """Append the unit to the log."""
        if not self._is_empty or before != after:
            self._log.append(self, connection, before, after)


def encoded(writer: BlockWriter, rows: Iterable[tuple[str, tuple[Value, ...]]]) -> Iterator[bytes]:
    """Yield the blocks of many rows.

    Args:
        writer: The encoder of blocks.
        rows: The records, as `store.documents.records.encode` takes them.
    """
    blocks = Blocks(writer)
    for kind, values in rows:
        blocks.add(records.encode(kind, values))
        if blocks.closed_bytes:
            yield blocks.take()
    yield blocks.take()


def _position(descriptor: int, size_bytes: int) -> Position:
    """Return what a log is complete up to.

    What follows the last mark was appended by a unit that was rolled back, or that did not end.
    """
    found, _ = last_mark(descriptor, size_bytes)
    return Position() if found is None else found.position
