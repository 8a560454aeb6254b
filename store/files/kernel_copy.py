"""Copying between files inside the kernel (copy_file_range(2))."""

from __future__ import annotations

import errno
import os
from typing import TYPE_CHECKING, BinaryIO, Final

if TYPE_CHECKING:
    from collections.abc import Callable

_CANNOT: Final = frozenset(
    {errno.EXDEV, errno.ENOSYS, errno.EINVAL, errno.EOPNOTSUPP, errno.EPERM, errno.EBADF}
)

_copy_file_range: Callable[[int, int, int, int, int], int] | None = getattr(
    os, "copy_file_range", None
)


def copy_in_kernel(
    source: BinaryIO, target: int, size_bytes: int, *, source_offset: int, target_offset: int
) -> int:
    """Copy a part of one file into another as far as the kernel can.

    Args:
        source: A regular file, open for reading.
        target: The descriptor of a regular file, open for writing.
        size_bytes: How many bytes to copy.
        source_offset: Where they begin, in bytes from the start of ``source``.
        target_offset: Where they go, in bytes from the start of ``target``.

    Returns:
        How many bytes were copied. It is less than ``size_bytes`` where the source ends early and
        where the kernel cannot copy between these files; the caller reads and writes what is left.

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
            # Some file systems say so of files that have bytes: only a read that finds none has
            # found the end (copy_file_range(2), bugs).
            break
        done += count
    return done
