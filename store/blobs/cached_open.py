"""Opening files that the kernel has at hand, so that a loop may do it itself: no disk is waited for (openat2(2), Linux 5.12)."""

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
"""The number of the call, which is the same on every processor that Linux has been given since numbers are the same."""
_AT_FDCWD: Final = -100
_RESOLVE_CACHED: Final = 0x20


@final
class _OpenHow(ctypes.Structure):
    """``struct open_how`` (linux/openat2.h)."""

    _fields_ = (("flags", ctypes.c_uint64), ("mode", ctypes.c_uint64), ("resolve", ctypes.c_uint64))


# The interpreter stays ours meanwhile: nothing in the call takes long.
_syscall: Final = (
    ctypes.PyDLL(None).syscall
    if sys.platform == "linux" and platform.machine() != "alpha"
    else None
)
# A FIFO in the place of a file would be waited for.
_how: Final = _OpenHow(flags=os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK, resolve=_RESOLVE_CACHED)


def open_cached(path: Path) -> BinaryIO | None:
    """The file at ``path``, unbuffered.

    None when there is no regular one, or the kernel cannot tell from memory, or nobody can ask it.
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
