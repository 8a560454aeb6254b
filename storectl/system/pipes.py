"""A function that enlarges the buffers of pipes on standard input and output."""

from __future__ import annotations

import fcntl
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from typing import BinaryIO

_PIPE_BYTES: Final = 1 << 20
"""The largest pipe buffer that Linux grants without privileges (/proc/sys/fs/pipe-max-size)."""


def widen(stream: BinaryIO) -> None:
    """Enlarge the buffer of a pipe from 64 KiB to 1 MiB, so that both ends wait less often.

    Streams that are not pipes, and systems other than Linux, are left unchanged.

    Args:
        stream: Standard input or output.
    """
    request = getattr(fcntl, "F_SETPIPE_SZ", None)
    if request is not None:
        try:
            fcntl.fcntl(stream.fileno(), request, _PIPE_BYTES)
        except (OSError, ValueError):
            # The stream is not a pipe or has no file descriptor, or the user's limit for pipe
            # buffers is reached.
            return
