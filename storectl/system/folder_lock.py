"""A lock on a folder, for files that are read, changed and replaced."""

from __future__ import annotations

import fcntl
import os
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

from store.errors import Unavailable, printable
from store.files.os_errors import Whose, translated

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

PATIENCE_S: Final = 10.0
"""How long to wait for the lock; a change of a file takes a few milliseconds."""

_POLL_INTERVAL_S: Final = 0.02


@contextmanager
def locked(folder: Path, *, patience_s: float = PATIENCE_S) -> Iterator[None]:
    """Hold the lock of a folder while the block runs; wait for other processes of this program.

    A file in the folder cannot carry the lock: it is replaced. On file systems without locks for
    folders, the block runs without one.

    Args:
        folder: An existing folder.
        patience_s: How long to wait, in seconds.

    Raises:
        Unavailable: Another process has held the lock for too long, or the folder cannot be opened.
    """
    with translated(folder, whose=Whose.OUTPUT):
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        _wait(descriptor, folder, time.monotonic() + patience_s)
        yield
    finally:
        os.close(descriptor)


def _wait(descriptor: int, folder: Path, until_s: float) -> None:
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() >= until_s:
                raise Unavailable(
                    f"cannot change a file in {printable(str(folder))}: another process has locked"
                    " the folder",
                    hint="try again when the other process has ended",
                ) from None
            time.sleep(_POLL_INTERVAL_S)
        except OSError:
            # Network file systems lock only files that are open for writing.
            return
        else:
            return
