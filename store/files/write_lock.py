"""The lock that serialises write units across processes."""

from __future__ import annotations

import errno
import fcntl
import os
import stat
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

from store.errors import Unavailable
from store.files.creation import NO_FOLLOW, create_file
from store.files.lock_holders import holder
from store.files.os_errors import translated

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

WRITE_LOCK: Final = "write.lock"
"""Name of the lock file in the store's folder."""

PATIENCE_S: Final = 1.0
"""Seconds that a writer waits before it reports the owner of the lock."""

_OWNER_BYTES: Final = 200


class WriteLock:
    """A lock that each writer waits for before ``BEGIN IMMEDIATE``.

    The writers wait in the kernel, and can report the owner that they wait for.

    Args:
        path: The lock file, which is created if it is missing.
        on_wait: Called from another thread after `PATIENCE_S`, with the owner of the lock and the
            ID of its process; empty if neither is known.
    """

    def __init__(self, path: Path, on_wait: Callable[[str], None] | None = None) -> None:
        self._path = path
        self._on_wait = on_wait

    @contextmanager
    def held(self, owner: str) -> Iterator[None]:
        """Wait for the lock, and hold it while the block runs.

        Each use opens the file again, so that flock also excludes other threads of this process.

        Args:
            owner: Name that other writers see; at most 200 bytes are kept.

        Raises:
            Unavailable: The file cannot be opened, locked or written.
        """
        with translated(self._path):
            descriptor = self._open()
        try:
            with translated(self._path):
                if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                    raise Unavailable(
                        f"cannot lock the store: {self._path} is not a regular file",
                        hint="remove that file; storectl creates a new one",
                    )
                self._acquire(descriptor)
                # Overwrite the file without truncating it: ext4 treats a truncated file as one
                # that is being replaced, and syncs it when it is closed.
                os.pwrite(descriptor, owner.encode()[:_OWNER_BYTES].ljust(_OWNER_BYTES, b"\0"), 0)
            yield
        finally:
            os.close(descriptor)

    def _open(self) -> int:
        while True:
            try:
                # O_NONBLOCK: opening a FIFO or a device does not wait.
                return os.open(self._path, os.O_RDWR | os.O_NONBLOCK | NO_FOLLOW)
            except FileNotFoundError:
                try:
                    return create_file(self._path, os.O_RDWR)
                except FileExistsError:
                    # Another process has just created the file.
                    continue

    def _acquire(self, descriptor: int) -> None:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as exc:
            if exc.errno not in (errno.EAGAIN, errno.EACCES):
                raise
            # Most waits end before a person could read the report.
            notice = threading.Timer(PATIENCE_S, self._report, (descriptor,))
            notice.daemon = True
            notice.start()
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX)
            finally:
                notice.cancel()
                notice.join()

    def _report(self, descriptor: int) -> None:
        if self._on_wait is not None:
            name = os.pread(descriptor, _OWNER_BYTES, 0).rstrip(b"\0").decode("utf-8", "replace")
            process = holder(descriptor)
            self._on_wait(name if process is None else f"{name} (process {process})".lstrip())
