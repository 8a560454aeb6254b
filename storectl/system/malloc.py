"""Functions that tell the C library how to treat freed memory; only glibc supports them.

With other C libraries the functions have no effect.
"""

from __future__ import annotations

import ctypes
from typing import Final

_M_TRIM_THRESHOLD: Final = -1
_M_MMAP_THRESHOLD: Final = -3
_KEEP_BYTES: Final = 256 * 1024 * 1024
SERVER_KEEPS_BYTES: Final = 8 * 1024 * 1024
"""Free memory that a server keeps: enough for two uploads, because it runs for days."""
_MMAP_BYTES: Final = 5 * 1024 * 1024
"""Blocks above this size get a separate memory mapping.

Buffers for reading and encoding blobs are smaller. Larger blocks are documents and tables that
grow. In a mapping they can move, and they leave no holes in the heap.
"""


def keep_freed(keep_bytes: int = _KEEP_BYTES) -> None:
    """Keep freed buffers for reuse instead of returning them to the system.

    If a buffer of 4 MiB is returned, allocating it again costs a thousand page faults. Peak memory
    does not change, because buffers are freed and allocated alternately.

    Args:
        keep_bytes: Free memory that each arena keeps at its end, in bytes.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(_M_MMAP_THRESHOLD, _MMAP_BYTES)
        mallopt(_M_TRIM_THRESHOLD, keep_bytes)


def release_memory() -> None:
    """Return all free memory to the system, including memory between blocks in use."""
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(0)
