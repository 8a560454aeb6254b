"""How the C library deals with memory that Python gives back."""

from __future__ import annotations

import ctypes
from typing import Final

_M_TRIM_THRESHOLD: Final = -1
_M_MMAP_THRESHOLD: Final = -3
_KEEP_BYTES: Final = 256 * 1024 * 1024
_MMAP_BYTES: Final = 5 * 1024 * 1024
"""Above a piece and what encodes it; larger ones are documents and tables that grow, and those had better move than leave holes."""


def keep_freed() -> None:
    """Use freed buffers again instead of giving them back to the system: a piece of 4 MiB is a thousand page faults, each time.

    Only where there is glibc; the peak is the same, for what is freed is what is needed next.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(_M_MMAP_THRESHOLD, _MMAP_BYTES)
        mallopt(_M_TRIM_THRESHOLD, _KEEP_BYTES)
