"""Pipes and terminals: larger buffers for pipes, and the test for a terminal by its name."""

from __future__ import annotations

import fcntl
import os
import sys
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from pathlib import Path
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


def is_output_closed() -> bool:
    """Return whether the program was started with a closed standard output."""
    return sys.__stdout__ is None


def is_terminal(path: Path) -> bool:
    """Return whether ``path`` is a terminal, such as /dev/tty, or /dev/stdout on a terminal.

    Args:
        path: Any path; it need not exist.
    """
    try:
        if not path.is_char_device():
            return False
        descriptor = os.open(path, os.O_WRONLY | os.O_NOCTTY | os.O_NONBLOCK)
    except OSError:
        return False
    try:
        return os.isatty(descriptor)
    finally:
        os.close(descriptor)
