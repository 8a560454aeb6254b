"""The lock that serialises write units across processes."""

from __future__ import annotations

import errno
import fcntl
import os
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

from store.files.os_errors import translated

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path


WRITE_LOCK: Final = "write.lock"


PATIENCE_S: Final = 1.0
"""How long a writer waits before it says whom it waits for."""


_OWNER_BYTES: Final = 200


class WriteLock:
    """The lock that writers queue on before BEGIN IMMEDIATE, so that they wait in the kernel and can say whom they wait for."""

    def __init__(self, path: Path, on_wait: Callable[[str], None] | None = None) -> None:
        self._path = path
        self._on_wait = on_wait

    @contextmanager
    def held(self, owner: str) -> Iterator[None]:
        """Wait for the lock and hold it.

        Every use opens the file anew: flock then also excludes threads of one process.
        """
        with translated(self._path):
            descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        try:
            with translated(self._path):
                self._acquire(descriptor)
                # Written over and not anew: ext4 takes a file that was cut to nothing for one that
                # is being replaced, and syncs it when it is closed.
                os.pwrite(descriptor, owner.encode()[:_OWNER_BYTES].ljust(_OWNER_BYTES, b"\0"), 0)
            yield
        finally:
            os.close(descriptor)

    def _acquire(self, descriptor: int) -> None:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as exc:
            if exc.errno not in (errno.EAGAIN, errno.EACCES):
                raise
            # Most waits are over before anybody could read of them.
            notice = threading.Timer(PATIENCE_S, self._say, (descriptor,))
            notice.daemon = True
            notice.start()
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX)
            finally:
                notice.cancel()
                notice.join()

    def _say(self, descriptor: int) -> None:
        if self._on_wait is not None:
            self._on_wait(
                os.pread(descriptor, _OWNER_BYTES, 0).rstrip(b"\0").decode("utf-8", "replace")
            )
