"""Standard input and output when they are pipes."""

from __future__ import annotations

import fcntl
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from typing import BinaryIO

_PIPE_BYTES: Final = 1 << 20
"""What Linux lets everybody have (/proc/sys/fs/pipe-max-size)."""


def widen(stream: BinaryIO) -> None:
    """Let more lie in a pipe at once than the usual 64 KiB: archives are large, and each wait of one side for the other costs. Anything else stays as it is."""
    request = getattr(fcntl, "F_SETPIPE_SZ", None)
    if request is not None:
        try:
            fcntl.fcntl(stream.fileno(), request, _PIPE_BYTES)
        except (OSError, ValueError):
            # No pipe, or no more room for this user's pipes; a stream without a descriptor.
            return
