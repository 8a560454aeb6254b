"""Blocks for SQLite's shared memory on btrfs, taken before SQLite maps it.

SQLite maps the file ``DATABASE-shm`` into the process, even to read. On btrfs, what is overwritten
goes to a new block, also in this file. If the disk is full, the kernel ends the process at its next
write to the memory (SIGBUS). So on btrfs, the file is made here: it is never copied on write, and
its blocks are allocated at once.

The first program that opens such a file truncates it, because its content may be older than a power
cut. That would give the blocks back. So this module is the first, by SQLite's own rules: it locks
the byte that all users of the file lock, empties the header, and keeps the byte locked for reading.
SQLite then finds a file that is in use and has no header, and builds the header again.

A descriptor of this file must stay open as long as SQLite uses the file, because closing any
descriptor of a file releases all locks of the process on it, also those of SQLite (fcntl(2)).

Source: sqlite.org/walformat.html, "WAL-Index File Locks"; os_unix.c, unixLockSharedMemory.
"""

from __future__ import annotations

import errno
import fcntl
import os
import struct
import sys
import threading
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final, final

from store.errors import StorageFull
from store.files.creation import NO_FOLLOW, open_folder
from store.files.os_errors import translate
from store.files.page_cache import reserve
from store.files.space.database_room import require_room
from store.files.space.shortage import is_btrfs

SHARED_BYTES: Final = 128 * 1024
"""The blocks that are allocated: enough for a log of 64 MiB."""

_HEADER_BYTES: Final = 136
"""Two copies of the header, and the state of the merging of the log."""

_USERS_BYTE: Final = 128
"""The byte that every user of the file locks for reading (UNIX_SHM_DMS)."""

_LOCK: Final = struct.Struct("hhqqi4x")
"""``struct flock``: type, whence, start, length, process."""
_FLAGS: Final = struct.Struct("l")
_GET_FLAGS: Final = 0x80086601
_SET_FLAGS: Final = 0x40086602
_NO_COPY_ON_WRITE: Final = 0x00800000
_BLOCK: Final = 512
_FULL: Final = frozenset({errno.ENOSPC, errno.EDQUOT})
_ATTEMPTS: Final = 4


@final
@dataclass(slots=True)
class _Open:
    """A file that connections of this process use."""

    descriptors: list[int]
    users: int = 0


_open: dict[tuple[int, int], _Open] = {}
"""The files in use, by device and inode number."""

_one_thread = threading.Lock()


def _after_fork() -> None:
    # A thread of the parent may have held the lock. The descriptors stay open: their users may not
    # have ended, and the locks of a child are its own.
    global _one_thread  # noqa: PLW0603 - a lock of the parent cannot be released
    _one_thread = threading.Lock()


os.register_at_fork(after_in_child=_after_fork)


@final
class KeptBlocks:
    """The blocks of a shared memory that one connection uses.

    Args:
        key: The device and inode number of the file.
    """

    def __init__(self, key: tuple[int, int]) -> None:
        self._key: tuple[int, int] | None = key

    def release(self) -> None:
        """Close the file if no other connection uses it; call this after SQLite has closed it."""
        with _one_thread:
            key, self._key = self._key, None
            if key is not None:
                _leave(key)


def keep_blocks(database: Path) -> KeptBlocks | None:
    """Take the blocks of the shared memory of a database; call this before SQLite opens it.

    Nothing is done where it is not needed or not possible: on another file system, without the
    permission to write, or without the database.

    Args:
        database: The database file.

    Returns:
        The blocks, which the caller releases; None if nothing was done.

    Raises:
        StorageFull: There are no blocks for the shared memory.
    """
    if sys.platform != "linux" or not is_btrfs(database.parent):
        return None
    shared = Path(f"{database}-shm")
    try:
        for _ in range(_ATTEMPTS):
            # Another process may make or remove the file at any time.
            with suppress(FileExistsError, FileNotFoundError), _one_thread:
                return KeptBlocks(_join(shared, database))
    except OSError as exc:
        if exc.errno in _FULL:
            raise translate(exc, database) from exc
    return None


def _join(shared: Path, database: Path) -> tuple[int, int]:
    """Open the file unless it is open, and count one more user; return its key."""
    try:
        status = shared.stat(follow_symlinks=False)
    except FileNotFoundError:
        return _enter(_made(shared, database.stat()))
    key = status.st_dev, status.st_ino
    if key in _open:
        _open[key].users += 1
        return key
    descriptor = os.open(shared, os.O_RDWR | NO_FOLLOW)
    key = _enter(descriptor)
    try:
        _take(descriptor, database)
    except OSError as exc:
        # SQLite uses the file all the same, so the descriptor stays open.
        if exc.errno in _FULL:
            _leave(key)
            raise
    except StorageFull:
        _leave(key)
        raise
    return key


def _enter(descriptor: int) -> tuple[int, int]:
    status = os.fstat(descriptor)
    key = status.st_dev, status.st_ino
    found = _open.setdefault(key, _Open([]))
    found.descriptors.append(descriptor)
    found.users += 1
    return key


def _leave(key: tuple[int, int]) -> None:
    found = _open[key]
    found.users -= 1
    if not found.users:
        del _open[key]
        for descriptor in found.descriptors:
            os.close(descriptor)


def _take(descriptor: int, database: Path) -> None:
    """Take the blocks of a file that exists, and empty its header if nobody uses it."""
    if not _lock(descriptor, fcntl.F_WRLCK):
        _lock(descriptor, fcntl.F_RDLCK)
        if not _is_overwritten(descriptor):
            # Another program has made the file.
            require_room(database)
        reserve(descriptor, 0, SHARED_BYTES, keep_size=True)
        return
    status = os.fstat(descriptor)
    if _is_overwritten(descriptor) and status.st_blocks * _BLOCK >= SHARED_BYTES:
        os.pwrite(descriptor, bytes(min(_HEADER_BYTES, status.st_size)), 0)
    else:
        os.ftruncate(descriptor, 0)
        _overwrite(descriptor)
        reserve(descriptor, 0, SHARED_BYTES, keep_size=True)
    _lock(descriptor, fcntl.F_RDLCK)


def _made(shared: Path, database: os.stat_result) -> int:
    """Make the file, with the mode and the owner of the database, as SQLite does."""
    with open_folder(shared.parent) as folder:
        descriptor = os.open(".", os.O_TMPFILE | os.O_RDWR | os.O_CLOEXEC, 0o600, dir_fd=folder)
        try:
            if os.geteuid() == 0:
                os.fchown(descriptor, database.st_uid, database.st_gid)
            os.fchmod(descriptor, database.st_mode & 0o777)
            _overwrite(descriptor)
            reserve(descriptor, 0, SHARED_BYTES, keep_size=True)
            _lock(descriptor, fcntl.F_RDLCK)
            os.link(f"/proc/self/fd/{descriptor}", shared.name, dst_dir_fd=folder)
        except BaseException:
            os.close(descriptor)
            raise
    return descriptor


def _lock(descriptor: int, kind: int) -> bool:
    """Lock the byte of the users, for this open file and not for the process.

    Such a lock stays if another descriptor of the file is closed, and SQLite sees it even in the
    process that holds it.

    Returns:
        Whether the byte is locked; another process may have locked it.
    """
    try:
        fcntl.fcntl(descriptor, fcntl.F_OFD_SETLK, _LOCK.pack(kind, os.SEEK_SET, _USERS_BYTE, 1, 0))
    except OSError as exc:
        if exc.errno not in (errno.EAGAIN, errno.EACCES):
            raise
        return False
    return True


def _is_overwritten(descriptor: int) -> bool:
    """Return whether the bytes of a file are overwritten in their place."""
    (flags,) = _FLAGS.unpack(fcntl.ioctl(descriptor, _GET_FLAGS, _FLAGS.pack(0)))
    return bool(flags & _NO_COPY_ON_WRITE)


def _overwrite(descriptor: int) -> None:
    """Let the bytes of an empty file be overwritten in their place."""
    (flags,) = _FLAGS.unpack(fcntl.ioctl(descriptor, _GET_FLAGS, _FLAGS.pack(0)))
    fcntl.ioctl(descriptor, _SET_FLAGS, _FLAGS.pack(flags | _NO_COPY_ON_WRITE))
