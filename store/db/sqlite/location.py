"""The database file of a store, and how to open it: for writing, for reading, or as a copy.

SQLite reads a database in WAL mode only if it can create files beside it, or if the caller declares
that the file never changes (``immutable``). In the second case SQLite silently ignores the log. So
a database on read-only media is opened as immutable if it has no log and no unfinished change. In a
folder without write permission, the log and shared memory of a running writer are used. Any other
database is read from a private copy. So is a database on a full disk, on which the shared memory
cannot be made.
"""

from __future__ import annotations

import os
from contextlib import closing
from dataclasses import dataclass, field
from enum import Enum, auto
from typing import TYPE_CHECKING, Final, Self, final

from store.db.sqlite.engine import DATABASE, Access, connect, database_errors
from store.errors import StorageFull, StoreBusy, StoreNotFound, printable
from store.files.os_errors import translated
from store.files.sizes import file_bytes
from store.model.remedies import Remedy

if TYPE_CHECKING:
    from pathlib import Path

LOG: Final = f"{DATABASE}-wal"
JOURNAL: Final = f"{DATABASE}-journal"
"""The rollback journal, which SQLite uses until a new database has its log."""

SHARED_MEMORY: Final = f"{DATABASE}-shm"
_COPIED: Final = (DATABASE, LOG, JOURNAL)
_ATTEMPTS: Final = 5
_TICK_NS: Final = 20_000_000
"""Nanoseconds in which the kernel may give two changes of a file the same time, at most."""


class OpenMode(Enum):
    """How to open the database."""

    WRITE = auto()
    READ = auto()
    IMMUTABLE = auto()
    COPY = auto()


@final
@dataclass(frozen=True, slots=True)
class Conditions:
    """The conditions that decide how a database is opened.

    Attributes:
        read_only: Whether the caller only reads.
        media_read_only: Whether the file system is mounted read-only.
        folder_writable: Whether this process may create files in the store's folder.
        database_writable: Whether this process may write the database file.
        has_log: Whether there is a write-ahead log that is not empty.
        has_shared_memory: Whether the shared-memory file of the log exists.
        has_journal: Whether there is a rollback journal that is not empty.
    """

    read_only: bool
    media_read_only: bool
    folder_writable: bool
    database_writable: bool
    has_log: bool
    has_shared_memory: bool
    has_journal: bool

    def mode(self) -> OpenMode:
        """Return how to open the database."""
        if self.media_read_only:
            return OpenMode.COPY if self.has_log or self.has_journal else OpenMode.IMMUTABLE
        if self.folder_writable and self.database_writable:
            return OpenMode.READ if self.read_only else OpenMode.WRITE
        if self.has_journal:
            # Only a process that may write can undo the change.
            return OpenMode.COPY
        # A process that may not create a log and shared memory can use the files of a running
        # writer. Without these files, it has to read a copy.
        return (
            OpenMode.READ
            if self.folder_writable or (self.has_log and self.has_shared_memory)
            else OpenMode.COPY
        )


def conditions(root: Path, *, read_only: bool) -> Conditions:
    """Look at the store's folder ``root``; return the conditions that decide how to open it."""
    database = root / DATABASE
    return Conditions(
        read_only=read_only,
        media_read_only=bool(os.statvfs(root).f_flag & os.ST_RDONLY),
        folder_writable=os.access(root, os.W_OK),
        database_writable=not database.exists() or os.access(database, os.W_OK),
        # One call: the last process that closes a database removes its log, at any moment.
        has_log=file_bytes(root / LOG) > 0,
        has_shared_memory=(root / SHARED_MEMORY).exists(),
        has_journal=file_bytes(root / JOURNAL) > 0,
    )


@final
@dataclass(slots=True)
class DatabaseLocation:
    """A database to open. Call `close` after the last connection has been closed.

    Attributes:
        database: The file to open: the store's own, or a private copy.
        access: How to open the file.
        writable: Whether changes reach the store.
        full: Why nothing can be written, if the disk is full; None otherwise.
    """

    database: Path
    access: Access
    writable: bool
    full: StorageFull | None = None
    _copied_to: Path | None = field(default=None)

    @classmethod
    def at(cls, root: Path, *, read_only: bool) -> Self:
        """Return the location of the database of the store at ``root``.

        Args:
            root: The store's folder.
            read_only: Whether the caller only reads.

        Raises:
            StoreNotFound: There is no store at ``root``.
            StoreBusy: A copy is needed, but the database changes faster than it can be copied.
            Unavailable: The database file cannot be read.
        """
        database = root / DATABASE
        if not database.is_file():
            raise StoreNotFound(
                f"there is no store at {printable(str(root))}",
                remedy=Remedy.CREATE_STORE,
            )
        match conditions(root, read_only=read_only).mode():
            case OpenMode.WRITE:
                return cls(database, Access.READ_WRITE, writable=True)
            case OpenMode.READ:
                return cls(database, Access.READ_ONLY, writable=False)
            case OpenMode.IMMUTABLE:
                return cls(database, Access.IMMUTABLE, writable=False)
            case OpenMode.COPY:
                return cls.copy_of(root)

    @classmethod
    def copy_of(cls, root: Path, full: StorageFull | None = None) -> Self:
        """Copy the database of the store at ``root``; return the location of the private copy.

        Args:
            root: The store's folder.
            full: Why the database itself cannot be opened, if the disk is full.

        Raises:
            StoreBusy: The database changes faster than it can be copied.
            StorageFull: No folder for temporary files has room for the copy.
            IntegrityError: The database is damaged, and has an unfinished change.
            Unavailable: The database file cannot be read.
        """
        folder = _copy(root)
        try:
            roll_back(folder)
        except BaseException:
            _remove(folder)
            raise
        # The copy is private, so SQLite may write to it and merge its log.
        return cls(
            folder / DATABASE, Access.READ_WRITE, writable=False, full=full, _copied_to=folder
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exc: object) -> None:
        self.close()

    def require_room(self) -> None:
        """Raise an error if the disk was full when the database was to be opened.

        Raises:
            StorageFull: The disk was full.
        """
        if self.full is not None:
            raise StorageFull(
                self.full.message, hint=self.full.hint, remedy=self.full.remedy
            ) from self.full

    def close(self) -> None:
        """Remove the private copy, if there is one."""
        if self._copied_to is not None:
            _remove(self._copied_to)


def roll_back(root: Path) -> None:
    """Undo the change of a process that died before the new database had its log.

    SQLite does this at the first read, but only through a connection that may write. A connection
    that only reads would report a read-only database.

    Args:
        root: The folder of the database. Nothing is done if it cannot be written.

    Raises:
        IntegrityError: The database is damaged.
    """
    if file_bytes(root / JOURNAL) == 0 or not os.access(root, os.W_OK):
        return
    with (
        database_errors(root / DATABASE),
        closing(connect(root / DATABASE, Access.READ_WRITE)) as connection,
    ):
        connection.execute("SELECT 1 FROM sqlite_master LIMIT 1").fetchone()


def _remove(folder: Path) -> None:
    import shutil  # noqa: PLC0415 - few stores are read from a copy

    shutil.rmtree(folder, ignore_errors=True)


def _copy(root: Path) -> Path:
    """Copy the files of the database, and repeat if one changed meanwhile; return the folder."""
    import shutil  # noqa: PLC0415 - few stores are read from a copy
    import time  # noqa: PLC0415

    from store.files.space.scratch import make_scratch_folder  # noqa: PLC0415

    folder = make_scratch_folder(2 * sum(file_bytes(root / name) for name in _COPIED))
    try:
        for _ in range(_ATTEMPTS):
            before = _stamps(root)
            if time.time_ns() - max((one[0] for one in before if one), default=0) < _TICK_NS:
                # The next change could get the same time as the last one.
                time.sleep(_TICK_NS / 10**9)
            for name in _COPIED:
                with translated(root / name):
                    try:
                        shutil.copyfile(root / name, folder / name)
                    except FileNotFoundError:
                        (folder / name).unlink(missing_ok=True)
            if _stamps(root) == before:
                return folder
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise
    shutil.rmtree(folder, ignore_errors=True)
    raise StoreBusy(
        f"cannot copy the catalogue of {root}: the catalogue changes all the time",
        hint="try again, or get write permission for the store's folder, so that no copy is needed",
    )


def _stamps(root: Path) -> tuple[tuple[int, int] | None, ...]:
    stamps: list[tuple[int, int] | None] = []
    for name in _COPIED:
        try:
            status = (root / name).stat()
            stamps.append((status.st_mtime_ns, status.st_size))
        except FileNotFoundError:
            stamps.append(None)
    return tuple(stamps)
