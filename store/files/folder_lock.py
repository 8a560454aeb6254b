"""A lock on a folder, for files that are read, changed and replaced."""

from __future__ import annotations

import fcntl
import os
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

from store.errors import StoreBusy, printable
from store.files.lock_holders import holder
from store.files.os_errors import Whose, translated
from store.model.remedies import Remedy
from store.model.waiting import WAIT_LIMIT_S

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_POLL_INTERVAL_S: Final = 0.02


@contextmanager
def locked(folder: Path, *, limit_s: float = WAIT_LIMIT_S) -> Iterator[None]:
    """Hold the lock of a folder while the block runs; wait for other processes of this program.

    A file in the folder cannot carry the lock: it is replaced. On file systems without locks for
    folders, the block runs without one.

    Args:
        folder: An existing folder.
        limit_s: How long to wait, in seconds.

    Raises:
        StoreBusy: Another process has held the lock for too long.
        Unavailable: The folder cannot be opened.
    """
    with translated(folder, whose=Whose.OUTPUT):
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        _wait(descriptor, folder, limit_s)
        yield
    finally:
        os.close(descriptor)


def _wait(descriptor: int, folder: Path, limit_s: float) -> None:
    until = time.monotonic() + limit_s
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() >= until:
                process = holder(os.fstat(descriptor))
                raise StoreBusy(
                    f"cannot change a file in {printable(str(folder))}: waited {limit_s:g} s for"
                    f" {process or 'another process'}, which has locked the folder",
                    hint="try again when the other process has ended",
                    remedy=Remedy.WAIT_LONGER,
                ) from None
            time.sleep(_POLL_INTERVAL_S)
        except OSError:
            # Network file systems lock only files that are open for writing.
            return
        else:
            return
