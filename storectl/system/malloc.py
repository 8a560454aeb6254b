"""How the C library deals with memory that Python gives back."""

from __future__ import annotations

import ctypes
from typing import Final

_M_TRIM_THRESHOLD: Final = -1
_M_MMAP_THRESHOLD: Final = -3
_KEEP_BYTES: Final = 256 * 1024 * 1024
SERVER_KEEPS_BYTES: Final = 8 * 1024 * 1024
"""What a server lives in for days is no longer its own; what two uploads turn over is."""
_MMAP_BYTES: Final = 5 * 1024 * 1024
"""Above a piece and what encodes it.

Larger ones are documents and tables that grow, and those had better move than leave holes.
"""


def keep_freed(keep_bytes: int = _KEEP_BYTES) -> None:
    """Use freed buffers again instead of giving them back to the system.

    A piece of 4 MiB is a thousand page faults, each time.

    Only where there is glibc; the peak is the same, for what is freed is what is needed next. Each
    arena keeps ``keep_bytes`` at its end.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(_M_MMAP_THRESHOLD, _MMAP_BYTES)
        mallopt(_M_TRIM_THRESHOLD, keep_bytes)


def give_back() -> None:
    """Give the system what is free, wherever it lies: what is still used behind it does not hold it, as it does otherwise. Only where there is glibc."""
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(0)
