"""The lock that serialises write units across processes."""

from __future__ import annotations

import os
import stat
import time
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Final

from store.errors import StoreBusy, Unavailable, printable
from store.files.creation import NO_FOLLOW, create_file
from store.files.lock_holders import holder
from store.files.lock_queue import LockQueue
from store.files.os_errors import translated
from store.model.remedies import Remedy
from store.model.waiting import PATIENCE_S, Waiting

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from store.files.lock_holders import Holder

WRITE_LOCK: Final = "write.lock"
"""Name of the lock file in the store's folder."""

_OWNER_BYTES: Final = 200


class WriteLock:
    """A lock that each writer waits for before ``BEGIN IMMEDIATE``.

    Args:
        path: The lock file, which is created if it is missing.
        waiting: How long to wait, and what is called when a wait takes longer than `PATIENCE_S`.
    """

    def __init__(self, path: Path, waiting: Waiting | None = None) -> None:
        self._path = path
        self._waiting = waiting or Waiting()
        self._queue = LockQueue(self._open)
        self._seen_busy: tuple[int, float] | None = None

    @contextmanager
    def held(self, owner: str) -> Iterator[None]:
        """Wait for the lock, and hold it while the block runs.

        Args:
            owner: Name that other writers see; at most 200 bytes are kept.

        Raises:
            StoreBusy: Another process has held the lock for longer than this one may wait.
            Unavailable: The file cannot be opened, locked or written, or its folder is gone.
        """
        limit_s = self._waiting.limit_s
        with self._translated():
            descriptor = self._queue.acquire(limit_s, self._report, PATIENCE_S)
        if descriptor is None:
            raise self._busy(limit_s)
        try:
            with self._translated():
                # Overwrite the file without truncating it: ext4 treats a truncated file as one
                # that is being replaced, and syncs it when it is closed.
                os.pwrite(descriptor, owner.encode()[:_OWNER_BYTES].ljust(_OWNER_BYTES, b"\0"), 0)
            yield
        finally:
            os.close(descriptor)

    def stuck_for(self) -> float:
        """Return for how many seconds one writer is known to hold the lock; 0 if it is free.

        The lock is tried, and released at once. Each writer changes the time of the file when it
        gets the lock, so the same time means the same writer. The first call that finds the lock
        held learns nothing about the time before, unless a thread of this process waits.

        Raises:
            Unavailable: The file cannot be opened, or its folder is gone.
        """
        with self._translated():
            descriptor = self._queue.try_now()
            if descriptor is not None:
                os.close(descriptor)
                self._seen_busy = None
                return 0.0
            changed = self._path.stat().st_mtime_ns
        now = time.monotonic()
        if self._seen_busy is None or self._seen_busy[0] != changed:
            self._seen_busy = (changed, now)
        return max(now - self._seen_busy[1], self._queue.stuck_for())

    @contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            with translated(self._path):
                yield
        except FileNotFoundError as exc:
            raise Unavailable(
                f"cannot lock the store: the folder {self._path.parent} does not exist any more",
                hint="put the folder back, or name the folder to which the store was moved",
            ) from exc

    def _open(self) -> int:
        descriptor = self._open_or_create()
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            os.close(descriptor)
            raise Unavailable(
                f"cannot lock the store: {self._path} is not a regular file",
                hint="remove that file; storectl creates a new one",
            )
        return descriptor

    def _open_or_create(self) -> int:
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

    def _holder(self) -> tuple[str, Holder | None]:
        """Return the name of the current writer and its process, as far as they are known."""
        name, process = "", None
        with suppress(OSError):
            descriptor = os.open(self._path, os.O_RDONLY | os.O_NONBLOCK | NO_FOLLOW)
            try:
                name = (
                    os.pread(descriptor, _OWNER_BYTES, 0).rstrip(b"\0").decode("utf-8", "replace")
                )
                process = holder(os.fstat(descriptor))
            finally:
                os.close(descriptor)
        return printable(name), process

    def _report(self) -> None:
        if self._waiting.on_wait is not None:
            name, process = self._holder()
            self._waiting.on_wait(name if process is None else f"{name}, {process}".lstrip(", "))

    def _busy(self, limit_s: float) -> StoreBusy:
        name, process = self._holder()
        whom = str(process or "another process")
        runs = f", which runs {name}" if name else ""
        return StoreBusy(
            f"cannot change the store: waited {limit_s:g} s for {whom}{runs}",
            hint=(
                f"let the process go on with `kill -CONT {process.pid}`, or end it"
                if process is not None and process.is_stopped
                else "try again when the other process has ended"
            ),
            remedy=Remedy.WAIT_LONGER,
        )
