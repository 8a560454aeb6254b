"""Writing large files, with the hints to the Linux page cache that Python has no function for.

Where the system does not know a hint, it is left out.
"""

from __future__ import annotations

import ctypes
import errno
import os
from typing import TYPE_CHECKING, BinaryIO, Final

from store.files.os_errors import Whose, translated

if TYPE_CHECKING:
    from collections.abc import Callable

WRITE_BYTES: Final = 256 * 1024
"""The largest write in one call.

For a write of several MiB the kernel looks for pages as large as the write, which it seldom has: on
ext4 such writes were measured to be ten times as slow (docs/benchmarks/findings.md).
"""

_CANNOT: Final = frozenset(
    {errno.ENOSYS, errno.EOPNOTSUPP, errno.EINVAL, errno.EPERM, errno.ENODEV, errno.ESPIPE}
)
_LATER: Final = frozenset({errno.ENOMEM, errno.EAGAIN, errno.EINTR})
"""Errors that keep a write to the disk from beginning now, and not from being done later."""
_SYNC_FILE_RANGE_WRITE: Final = 2


def _function(name: str, *arguments: type[ctypes._SimpleCData[int]]) -> Callable[..., int] | None:
    found = getattr(ctypes.CDLL(None, use_errno=True), name, None)
    if found is not None:
        found.argtypes = arguments
    return found


_fallocate = _function("fallocate", ctypes.c_int, ctypes.c_int, ctypes.c_int64, ctypes.c_int64)
_sync_file_range = _function(
    "sync_file_range", ctypes.c_int, ctypes.c_int64, ctypes.c_int64, ctypes.c_uint
)


def write_all(file: BinaryIO, data: bytes | memoryview) -> None:
    """Append every byte of ``data`` to a file.

    Args:
        file: A file without a buffer, which may take fewer bytes than it is given.
        data: The bytes.

    Raises:
        OSError: The file cannot be written.
    """
    view = memoryview(data)
    while view:
        view = view[file.write(view[:WRITE_BYTES]) :]


def write_at(descriptor: int, data: bytes | memoryview, offset: int) -> None:
    """Write every byte of ``data`` at a place in a file.

    Args:
        descriptor: The file.
        data: The bytes.
        offset: Where they begin, in bytes from the start of the file.

    Raises:
        OSError: The file cannot be written.
    """
    view = memoryview(data)
    while view:
        taken = os.pwrite(descriptor, view[:WRITE_BYTES], offset)
        view = view[taken:]
        offset += taken


def reserve(descriptor: int, offset: int, size_bytes: int) -> None:
    """Have the file system set aside the room for bytes that will be written.

    A full disk is found now, and writing in any order leaves no fragments.

    Args:
        descriptor: The output file.
        offset: Where the bytes will begin, in bytes from the start of the file.
        size_bytes: How many bytes will be written.

    Raises:
        StorageFull: There is not enough room.
    """
    # Not os.posix_fallocate: where the file system cannot, the C library writes zeros instead.
    if _fallocate is None or not size_bytes:
        return
    if _fallocate(descriptor, 0, offset, size_bytes):
        number = ctypes.get_errno()
        if number not in _CANNOT:
            with translated("the output", whose=Whose.OUTPUT):
                raise OSError(number, os.strerror(number))


def begin_writeback(descriptor: int, offset: int, size_bytes: int) -> None:
    """Have the disk begin to write a part of a file, without waiting for it.

    The fsync at the end then finds little left to do.

    Args:
        descriptor: The file.
        offset: Where the part begins, in bytes from the start of the file.
        size_bytes: How many bytes it has.

    Raises:
        OSError: The disk has refused an earlier write. The kernel reports such an error only once,
            so the fsync would not report it again (sync_file_range(2), EIO and ENOSPC).
    """
    if _sync_file_range is not None and _sync_file_range(
        descriptor, offset, size_bytes, _SYNC_FILE_RANGE_WRITE
    ):
        number = ctypes.get_errno()
        if number not in _CANNOT | _LATER:
            raise OSError(number, os.strerror(number))
