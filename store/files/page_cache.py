"""Write large files, and give the Linux page cache hints that Python has no functions for.

A hint that the system does not know is left out.
"""

from __future__ import annotations

import errno
import os
from contextlib import suppress
from functools import cache
from typing import TYPE_CHECKING, BinaryIO, Final

if TYPE_CHECKING:
    import ctypes
    from collections.abc import Callable

WRITE_BYTES: Final = 256 * 1024
"""The largest write in one call.

For a write of several MiB, the kernel looks for pages as large as the write, which are rare. On
ext4, such writes are ten times as slow (docs/benchmarks/findings.md).
"""

_CANNOT: Final = frozenset(
    {errno.ENOSYS, errno.EOPNOTSUPP, errno.EINVAL, errno.EPERM, errno.ENODEV, errno.ESPIPE}
)
_LATER: Final = frozenset({errno.ENOMEM, errno.EAGAIN, errno.EINTR})
"""Errors that mean only that the kernel cannot begin to write now; the bytes are written later."""
_SYNC_FILE_RANGE_WRITE: Final = 2
_KEEP_SIZE: Final = 1


@cache
def _function(name: str, *arguments: type[ctypes._SimpleCData[int]]) -> Callable[..., int] | None:
    from ctypes import CDLL  # noqa: PLC0415 - not for commands that only read

    found = getattr(CDLL(None, use_errno=True), name, None)
    if found is not None:
        found.argtypes = arguments
    return found


def _fallocate(descriptor: int, mode: int, offset: int, size_bytes: int) -> int:
    """Call fallocate(2). Return 0 if it has worked, or if the C library does not have it."""
    from ctypes import c_int, c_int64  # noqa: PLC0415

    function = _function("fallocate", c_int, c_int, c_int64, c_int64)
    return 0 if function is None else function(descriptor, mode, offset, size_bytes)


def _sync_file_range(descriptor: int, offset: int, size_bytes: int, flags: int) -> int:
    """Call sync_file_range(2). Return 0 if it has worked, or if the C library does not have it."""
    from ctypes import c_int, c_int64, c_uint  # noqa: PLC0415

    function = _function("sync_file_range", c_int, c_int64, c_int64, c_uint)
    return 0 if function is None else function(descriptor, offset, size_bytes, flags)


def _error_number() -> int:
    """Return the number of the error of the last call of this thread that failed."""
    from ctypes import get_errno  # noqa: PLC0415

    return get_errno()


def read_if_cached(file: BinaryIO, size: int, position: int) -> bytes | None:
    """Return bytes of a file that are in the page cache; None if a disk has to be read.

    Args:
        file: An open file.
        size: The most bytes to return.
        position: The offset of the first byte.
    """
    buffer = bytearray(size)
    try:
        count = os.preadv(file.fileno(), [buffer], position, os.RWF_NOWAIT)
    except OSError:
        # The file system cannot tell (EOPNOTSUPP), or the bytes are not cached (EAGAIN).
        return None
    return bytes(memoryview(buffer)[:count]) if count else None


def write_all(file: BinaryIO, data: bytes | memoryview) -> None:
    """Append every byte of ``data`` to a file.

    Args:
        file: An unbuffered file; one write may take fewer bytes than it is given.
        data: The bytes to append.

    Raises:
        OSError: The file cannot be written.
    """
    view = memoryview(data)
    while view:
        view = view[file.write(view[:WRITE_BYTES]) :]


def write_at(descriptor: int, data: bytes | memoryview, offset: int) -> None:
    """Write every byte of ``data`` at an offset in a file.

    Args:
        descriptor: The file, open for writing.
        data: The bytes to write.
        offset: Offset of the first byte from the start of the file.

    Raises:
        OSError: The file cannot be written.
    """
    view = memoryview(data)
    while view:
        taken = os.pwrite(descriptor, view[:WRITE_BYTES], offset)
        view = view[taken:]
        offset += taken


def reserve(descriptor: int, offset: int, size_bytes: int, *, keep_size: bool = False) -> None:
    """Reserve space on the file system for bytes that will be written.

    The reservation finds a full disk early. It also keeps a file from being fragmented if the bytes
    are written in any order.

    Args:
        descriptor: The output file, open for writing.
        offset: Offset of the first byte from the start of the file.
        size_bytes: Number of bytes to reserve.
        keep_size: Whether the size of the file stays, even if more is reserved.

    Raises:
        OSError: The file system does not have enough free space.
    """
    # os.posix_fallocate would write zeros on file systems that cannot reserve space.
    if not size_bytes:
        return
    if _fallocate(descriptor, _KEEP_SIZE if keep_size else 0, offset, size_bytes):
        number = _error_number()
        if number not in _CANNOT:
            raise OSError(number, os.strerror(number))


def begin_writeback(descriptor: int, offset: int, size_bytes: int) -> None:
    """Ask the kernel to begin writing a part of a file to the disk, without waiting.

    Then the fsync at the end has little left to write.

    Args:
        descriptor: The file, open for writing.
        offset: Offset of the part from the start of the file.
        size_bytes: Size of the part in bytes.

    Raises:
        OSError: An earlier write to the disk failed. The kernel reports such an error only once, so
            the fsync would not report it again (sync_file_range(2), EIO and ENOSPC).
    """
    if _sync_file_range(descriptor, offset, size_bytes, _SYNC_FILE_RANGE_WRITE):
        number = _error_number()
        if number not in _CANNOT | _LATER:
            raise OSError(number, os.strerror(number))


def is_cached(descriptor: int, offset: int) -> bool:
    """Return whether a byte of a file can be read without waiting for the disk.

    Args:
        descriptor: The file, open for reading.
        offset: Offset of the byte. True at the end of the file, and if the system cannot tell.
    """
    flag = getattr(os, "RWF_NOWAIT", None)
    if flag is None:
        return True
    try:
        os.preadv(descriptor, (bytearray(1),), offset, flag)
    except BlockingIOError:
        return False
    except OSError:
        return True
    return True


def drop(descriptor: int, offset: int, size_bytes: int) -> None:
    """Ask the kernel to forget a part of a file that was read only once.

    Args:
        descriptor: The file, open for reading.
        offset: Offset of the part from the start of the file.
        size_bytes: Size of the part in bytes.
    """
    # It is a hint: a system that ignores it keeps the pages until it needs the memory.
    with suppress(OSError, AttributeError):
        os.posix_fadvise(descriptor, offset, size_bytes, os.POSIX_FADV_DONTNEED)
