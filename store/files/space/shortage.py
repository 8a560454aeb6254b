"""Find out what a file system lacks: space, inodes, quota or permission to write.

Some programs and libraries report every failed write in the same way. A small write of our own
tells the reasons apart.
"""

from __future__ import annotations

import errno
import os
import sys
from typing import TYPE_CHECKING, Final

from store.files.page_cache import reserve

if TYPE_CHECKING:
    from pathlib import Path

PROBE_BYTES: Final = 64 * 1024
"""The size of a file that is made to find out whether a file can be made."""

_MODE: Final = 0o600
_NO_TMPFILE: Final = frozenset({errno.EOPNOTSUPP, errno.EISDIR, errno.ENOENT, errno.EINVAL})
_STATFS_BYTES: Final = 512
"""More than the size of ``struct statfs``, whose first member is the type of the file system."""
_MASK: Final = 0xFFFFFFFF
_BTRFS, _ZFS, _BCACHEFS = 0x9123683E, 0x2FC12FC1, 0xCA451A4E
_COPY_ON_WRITE: Final = frozenset({_BTRFS, _ZFS, _BCACHEFS})

_PATIENCE: Final = 8
"""The most folders above a path that are asked for the file system."""


def free_bytes(path: Path) -> int:
    """Return how many bytes this process can still write on the file system of ``path``.

    A quota is not counted, because the kernel does not tell it here.

    Args:
        path: A file or folder on the file system.

    Raises:
        OSError: The file system cannot be asked.
    """
    found = os.statvfs(path)
    # Some file systems keep a part of the space for root.
    blocks = found.f_bfree if os.geteuid() == 0 else found.f_bavail
    return blocks * found.f_frsize


def has_no_inodes(path: Path) -> bool:
    """Return whether the file system of ``path`` has space left, but no inode for a new file.

    Args:
        path: A file or folder; if it does not exist, the nearest folder above it is asked.
    """
    for one in (path, *path.parents[:_PATIENCE]):
        try:
            found = os.statvfs(one)
        except OSError:
            continue
        # A file system that does not limit the number of files reports 0 files.
        left = found.f_ffree if os.geteuid() == 0 else found.f_favail
        return bool(found.f_files) and left == 0 and found.f_bavail > 0
    return False


def copies_on_write(path: Path) -> bool:
    """Return whether the file system of ``path`` needs new space for bytes that are overwritten.

    Args:
        path: An existing file or folder.
    """
    return _kind(path) in _COPY_ON_WRITE


def is_btrfs(folder: Path) -> bool:
    """Return whether a folder is on btrfs; this costs two microseconds where it is not.

    Args:
        folder: The folder; it may be missing.
    """
    try:
        # btrfs has no limit of files, and most others have one.
        return os.statvfs(folder).f_files == 0 and _kind(folder) == _BTRFS
    except OSError:
        return False


def _kind(path: Path) -> int | None:
    """Return the number of the kind of the file system; None if it is not known."""
    if sys.platform != "linux":
        return None
    import ctypes  # noqa: PLC0415 - few file systems need the question

    buffer = ctypes.create_string_buffer(_STATFS_BYTES)
    if ctypes.CDLL(None).statfs(os.fsencode(path), buffer):
        return None
    return ctypes.c_long.from_buffer(buffer).value & _MASK


def obstacle(folder: Path, size_bytes: int = PROBE_BYTES, *, named: bool = False) -> OSError | None:
    """Return the error that the kernel reports when a file is made in a folder; None if it works.

    The file has no name where the file system permits that, and is removed at once. A name may need
    a block more, in the folder.

    Args:
        folder: The folder.
        size_bytes: The size of the file.
        named: Whether the file has a name for a moment.
    """
    try:
        descriptor = _named(folder) if named else _nameless(folder)
    except OSError as exc:
        return exc
    try:
        reserve(descriptor, 0, size_bytes)
        os.pwrite(descriptor, bytes(1), size_bytes - 1)
    except OSError as exc:
        return exc
    finally:
        os.close(descriptor)
    return None


def _nameless(folder: Path) -> int:
    try:
        return os.open(folder, os.O_TMPFILE | os.O_RDWR | os.O_CLOEXEC, _MODE)
    except OSError as exc:
        if exc.errno not in _NO_TMPFILE:
            raise
    return _named(folder)


def _named(folder: Path) -> int:
    path = folder / f".storectl-{os.urandom(8).hex()}.probe"
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, _MODE)
    path.unlink()
    return descriptor
