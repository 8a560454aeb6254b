"""Settings of the C library for freed memory. They do nothing without glibc."""

from __future__ import annotations

import ctypes
from typing import Final

_M_TRIM_THRESHOLD: Final = -1
_M_MMAP_THRESHOLD: Final = -3
_KEEP_BYTES: Final = 256 * 1024 * 1024
SERVER_KEEPS_BYTES: Final = 8 * 1024 * 1024
"""What a server keeps: enough for two uploads. A server runs for days beside other processes."""
_MMAP_BYTES: Final = 5 * 1024 * 1024
"""Larger blocks get a mapping of their own.

A piece of content and the buffer that encodes it stay below. Larger blocks are documents and tables
that grow: in a mapping they can move, and leave no holes in the heap.
"""


def keep_freed(keep_bytes: int = _KEEP_BYTES) -> None:
    """Keep freed buffers for reuse instead of returning them to the system.

    A returned buffer of 4 MiB costs a thousand page faults when it is needed again. The peak does
    not change, because buffers are freed and needed in turn.

    Args:
        keep_bytes: Free memory that each arena keeps at its end, in bytes.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(_M_MMAP_THRESHOLD, _MMAP_BYTES)
        mallopt(_M_TRIM_THRESHOLD, keep_bytes)


def release_memory() -> None:
    """Return all free memory to the system, also memory that lies before blocks in use."""
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(0)
