"""Open a file without waiting for a disk, if the kernel has the file's path in memory.

An event loop may call `open_cached` directly, without a thread (``RESOLVE_CACHED``, openat2(2),
Linux 5.12).
"""

from __future__ import annotations

import ctypes
import os
import platform
import stat
import sys
from typing import TYPE_CHECKING, BinaryIO, Final, final

if TYPE_CHECKING:
    from pathlib import Path

_OPENAT2: Final = 437
"""The number of the system call openat2(2), the same on every architecture except alpha."""
_AT_FDCWD: Final = -100
_RESOLVE_CACHED: Final = 0x20


@final
class _OpenHow(ctypes.Structure):
    """``struct open_how`` (linux/openat2.h)."""

    _fields_ = (("flags", ctypes.c_uint64), ("mode", ctypes.c_uint64), ("resolve", ctypes.c_uint64))


# PyDLL keeps the interpreter's lock during the call, because the call never takes long.
_syscall: Final = (
    ctypes.PyDLL(None).syscall
    if sys.platform == "linux" and platform.machine() != "alpha"
    else None
)
# O_NONBLOCK: without this flag, opening a FIFO would wait for its other end.
_how: Final = _OpenHow(
    flags=os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOFOLLOW, resolve=_RESOLVE_CACHED
)


def open_cached(path: Path) -> BinaryIO | None:
    """Open a regular file for reading, if the kernel can open it without waiting.

    Args:
        path: Path of the file.

    Returns:
        The file, unbuffered; None if ``path`` is not a regular file, if the kernel would have to
        read the disk, or if the system does not have openat2(2).
    """
    if _syscall is None:
        return None
    descriptor = _syscall(
        _OPENAT2, _AT_FDCWD, os.fsencode(path), ctypes.byref(_how), ctypes.sizeof(_how)
    )
    if descriptor < 0:
        return None
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        return None
    return os.fdopen(descriptor, "rb", buffering=0)
