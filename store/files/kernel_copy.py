"""Copies between files inside the kernel (copy_file_range(2), ioctl_ficlone(2))."""

from __future__ import annotations

import errno
import fcntl
import os
from typing import TYPE_CHECKING, BinaryIO, Final

if TYPE_CHECKING:
    from collections.abc import Callable

_CANNOT: Final = frozenset(
    {errno.EXDEV, errno.ENOSYS, errno.EINVAL, errno.EOPNOTSUPP, errno.EPERM, errno.EBADF}
)

_FICLONE: Final = 0x40049409
"""The number of the ioctl (linux/fs.h), the same on all architectures that this program runs on."""

_CANNOT_CLONE: Final = _CANNOT | {errno.ENOTTY, errno.ETXTBSY}

_copy_file_range: Callable[[int, int, int, int, int], int] | None = getattr(
    os, "copy_file_range", None
)


def copy_in_kernel(
    source: BinaryIO, target: int, size_bytes: int, *, source_offset: int, target_offset: int
) -> int:
    """Copy a part of one file into another, as far as the kernel can.

    Args:
        source: A regular file, open for reading.
        target: The descriptor of a regular file, open for writing.
        size_bytes: Number of bytes to copy.
        source_offset: Offset of the first byte in ``source``.
        target_offset: Offset of the first byte in ``target``.

    Returns:
        The number of bytes copied. It is less than ``size_bytes`` if the source ends early, or
        if the kernel cannot copy between these files. The caller copies the remaining bytes.

    Raises:
        OSError: Reading or writing failed.
    """
    done = 0
    while _copy_file_range is not None and done < size_bytes:
        try:
            count = _copy_file_range(
                source.fileno(),
                target,
                size_bytes - done,
                source_offset + done,
                target_offset + done,
            )
        except OSError as exc:
            if exc.errno not in _CANNOT:
                raise
            break
        if not count:
            # Some file systems return 0 although the file has more bytes. Only a read finds the
            # end of the file (copy_file_range(2), bugs).
            break
        done += count
    return done


def clone(source: int, target: int) -> bool:
    """Let an empty file share all blocks of another file, if their file system can do that.

    Args:
        source: The descriptor of a regular file, open for reading.
        target: The descriptor of an empty regular file, open for writing.

    Returns:
        Whether the target now has the bytes of the source.

    Raises:
        OSError: The file system can share blocks, but failed.
    """
    try:
        fcntl.ioctl(target, _FICLONE, source)
    except OSError as exc:
        if exc.errno not in _CANNOT_CLONE:
            raise
        return False
    return True
