"""Which file to open as the database, and how.

What can be written, what can only be read, what has to be read from a copy.

SQLite reads a database in WAL mode only where it can make files beside it, or where it is told that
nothing ever changes (``immutable``), and then it silently ignores the log. So read-only media
without a log are opened as immutable, and everything else that nothing can be written beside from a
private copy.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from enum import Enum, auto
from pathlib import Path
from typing import Final, Self, final

from store.db.sqlite.engine import DATABASE, Access
from store.errors import StoreBusy, StoreNotFound
from store.files.os_errors import translated
from store.model.remedies import Remedy

LOG: Final = f"{DATABASE}-wal"
SHARED_MEMORY: Final = f"{DATABASE}-shm"
_ATTEMPTS: Final = 5


class OpenMode(Enum):
    """How to come to the rows."""

    WRITE = auto()
    READ = auto()
    IMMUTABLE = auto()
    COPY = auto()


@final
@dataclass(frozen=True, slots=True)
class Conditions:
    """What decides: whether the caller only wants to read, what the file system and the permissions allow, and which files lie there."""

    read_only: bool
    media_read_only: bool
    folder_writable: bool
    database_writable: bool
    has_log: bool
    has_shared_memory: bool

    def way(self) -> OpenMode:
        """How to open the database."""
        if self.media_read_only:
            return OpenMode.COPY if self.has_log else OpenMode.IMMUTABLE
        if self.folder_writable and self.database_writable:
            return OpenMode.READ if self.read_only else OpenMode.WRITE
        # Without permission to make them, log and shared memory of a running writer serve as well;
        # without either there is only a copy.
        return (
            OpenMode.READ
            if self.folder_writable or (self.has_log and self.has_shared_memory)
            else OpenMode.COPY
        )


def surroundings(root: Path, *, read_only: bool) -> Conditions:
    """Look around at ``root``."""
    database, log = root / DATABASE, root / LOG
    return Conditions(
        read_only=read_only,
        media_read_only=bool(os.statvfs(root).f_flag & os.ST_RDONLY),
        folder_writable=os.access(root, os.W_OK),
        database_writable=not database.exists() or os.access(database, os.W_OK),
        has_log=log.exists() and log.stat().st_size > 0,
        has_shared_memory=(root / SHARED_MEMORY).exists(),
    )


@final
@dataclass(slots=True)
class DatabaseLocation:
    """A database to open: ``close`` it when the last connection has gone."""

    database: Path
    access: Access
    writable: bool
    _copied_to: Path | None = field(default=None)

    @classmethod
    def at(cls, root: Path, *, read_only: bool) -> Self:
        """The database of the store at ``root``.

        Raises StoreNotFound, StoreBusy, Unavailable and its branches.
        """
        database = root / DATABASE
        if not database.is_file():
            raise StoreNotFound(
                f"there is no store at {root}",
                remedy=Remedy.CREATE_STORE,
            )
        match surroundings(root, read_only=read_only).way():
            case OpenMode.WRITE:
                return cls(database, Access.READ_WRITE, writable=True)
            case OpenMode.READ:
                return cls(database, Access.READ_ONLY, writable=False)
            case OpenMode.IMMUTABLE:
                return cls(database, Access.IMMUTABLE, writable=False)
            case OpenMode.COPY:
                folder = _copy(root)
                # The copy is ours: its log is taken in where it lies.
                return cls(folder / DATABASE, Access.READ_WRITE, writable=False, _copied_to=folder)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exc: object) -> None:
        self.close()

    def close(self) -> None:
        """Remove the copy, if there is one."""
        if self._copied_to is not None:
            import shutil  # noqa: PLC0415 - few stores are read from a copy

            shutil.rmtree(self._copied_to, ignore_errors=True)


def _copy(root: Path) -> Path:
    """A private copy of database and log that was taken while neither changed."""
    import shutil  # noqa: PLC0415 - few stores are read from a copy
    import tempfile  # noqa: PLC0415

    folder = Path(tempfile.mkdtemp(prefix="storectl-"))
    try:
        for _ in range(_ATTEMPTS):
            before = _stamps(root)
            for name in (DATABASE, LOG):
                with translated(root / name):
                    if (root / name).exists():
                        shutil.copyfile(root / name, folder / name)
                    else:
                        (folder / name).unlink(missing_ok=True)
            if _stamps(root) == before:
                return folder
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise
    shutil.rmtree(folder, ignore_errors=True)
    raise StoreBusy(
        f"the catalogue of {root} changes all the time, and can only be read from a copy here",
        hint="try again, or get permission to write there",
    )


def _stamps(root: Path) -> tuple[tuple[int, int] | None, ...]:
    stamps: list[tuple[int, int] | None] = []
    for name in (DATABASE, LOG):
        try:
            status = (root / name).stat()
            stamps.append((status.st_mtime_ns, status.st_size))
        except FileNotFoundError:
            stamps.append(None)
    return tuple(stamps)
