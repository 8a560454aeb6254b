"""Errors that say that the system has no more threads, memory, processes or open files."""

from __future__ import annotations

import errno
from typing import Final

from store.errors import Unavailable

_NO_THREAD: Final = "can't start new thread"
"""Python's message (``Modules/_threadmodule.c``); the class of the error is RuntimeError."""

_LIMITS: Final = {
    errno.EMFILE: (
        "this process has too many open files",
        "raise the limit of open files (`ulimit -n`)",
    ),
    errno.ENFILE: (
        "the system has too many open files",
        "close other programs, or raise fs.file-max (`sysctl fs.file-max`)",
    ),
    errno.ENOMEM: (
        "the system has no more memory",
        "close other programs, or raise the limits of memory (`ulimit -v`, the container's limit)",
    ),
    errno.EAGAIN: (
        "the system starts no more processes",
        "raise the limit of processes (`ulimit -u`, the container's limit)",
    ),
}


def limit_reached(error: BaseException) -> Unavailable | None:
    """Return the store's error for a lack of threads, memory, processes or open files.

    Args:
        error: Any exception.

    Returns:
        The error, with what to do; None if ``error`` has another reason.
    """
    if isinstance(error, MemoryError):
        fact, hint = _LIMITS[errno.ENOMEM]
    elif isinstance(error, RuntimeError) and str(error) == _NO_THREAD:
        fact = "the system starts no more threads"
        hint = (
            "raise the limits of processes and memory (`ulimit -u`, `ulimit -v`, the limits of the"
            " container), or close other programs"
        )
    elif isinstance(error, OSError) and error.errno in _LIMITS:
        fact, hint = _LIMITS[error.errno]
    else:
        return None
    return Unavailable(f"cannot go on: {fact}", hint=hint)
