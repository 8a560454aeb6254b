"""The threads of one import."""

from __future__ import annotations

import os
import threading
from collections import deque
from concurrent.futures import CancelledError, ThreadPoolExecutor
from typing import TYPE_CHECKING, BinaryIO, Final, Self, TypeVar

import zstandard

from store.files.os_errors import translated

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from concurrent.futures import Future
    from pathlib import Path


_T = TypeVar("_T")


_UNSYNCED_FILES: Final = 64
"""Files that wait to be synced, each open until then: a hundred thousand small layers come faster than a disk makes them durable."""


class Pool:
    """The threads of one operation.

    Some that encode, one that hashes what comes in, one that hashes and writes what goes out, some
    with a layer of their own.

    The two single lanes keep their work in order, also when several layers pass at once.
    """

    def __init__(self, workers: int | None = None) -> None:
        self.workers = workers or os.cpu_count() or 1
        self._encoders = ThreadPoolExecutor(self.workers, thread_name_prefix="encode")
        self.incoming = ThreadPoolExecutor(1, thread_name_prefix="hash-in")
        self.outgoing = ThreadPoolExecutor(1, thread_name_prefix="hash-out")
        self._syncs = ThreadPoolExecutor(1, thread_name_prefix="sync")
        self._layers = ThreadPoolExecutor(self.workers, thread_name_prefix="layer")
        self._local = threading.local()
        self._counting = threading.Lock()
        self._passing = 0
        self._awaiting = threading.Lock()
        self._syncing: deque[Future[None]] = deque()
        self._closing = False

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exc: object) -> None:
        self.close()

    def close(self) -> None:
        """Drop what has not begun, and what runs ahead, and wait for the rest."""
        self._closing = True
        for executor in (self._layers, self.incoming, self._encoders, self.outgoing, self._syncs):
            executor.shutdown(wait=True, cancel_futures=True)

    def settle(self) -> None:
        """Wait until both lanes have done what they were given: after a failure, nobody may still be writing to a file that is closed."""
        for lane in (self.incoming, self.outgoing):
            lane.submit(int).result()

    def prefetch(self, work: Callable[[], _T]) -> Future[_T]:
        """Begin with a layer before its turn."""
        return self._layers.submit(self._pass, work)

    @property
    def is_full(self) -> bool:
        """Whether every core has a layer of its own: handing its pieces to other threads would then only cost."""
        return self._passing >= self.workers

    def _pass(self, work: Callable[[], _T]) -> _T:
        with self._counting:
            self._passing += 1
        try:
            return work()
        finally:
            with self._counting:
                self._passing -= 1

    def until_closed(self, pieces: Iterator[bytes]) -> Iterator[bytes]:
        """``pieces``, for work that runs ahead: it ends with CancelledError when nobody waits for it any more."""
        for piece in pieces:
            if self._closing:
                raise CancelledError
            yield piece

    def sync(self, file: BinaryIO, path: Path) -> None:
        """Make what was written to a file durable while the next layer is being read.

        `durable` waits for it.

        Raises what an earlier one failed with, a branch of Unavailable or StorageFull that names
        the file.
        """
        descriptor = os.dup(file.fileno())
        synced = self._syncs.submit(_sync_and_close, descriptor, path)
        # What is dropped with the pool is closed all the same: an open descriptor keeps a deleted
        # file's bytes on the disk.
        synced.add_done_callback(lambda ended: os.close(descriptor) if ended.cancelled() else None)
        with self._awaiting:
            self._syncing.append(synced)
            self._await_syncs(_UNSYNCED_FILES)

    def durable(self) -> None:
        """Wait until everything given to `sync` is on the disk. Raises as `sync` does."""
        with self._awaiting:
            self._await_syncs(0)

    def _await_syncs(self, most: int) -> None:
        """Forget what is durable, and wait for the oldest while there are more than ``most``.

        What has failed stays: it is said to whoever asks.
        """
        while self._syncing and (len(self._syncing) > most or self._syncing[0].done()):
            self._syncing[0].result()
            self._syncing.popleft()

    def compress(self, data: bytes, level: int) -> Future[bytes]:
        """One independent zstd frame, with content size and checksum, made by a thread of the pool."""
        return self._encoders.submit(self.compress_now, data, level)

    def compress_now(self, data: bytes, level: int) -> bytes:
        """The same frame, made by the calling thread.

        A compressor serves one thread at a time, so each thread keeps its own.
        """
        compressors: dict[int, zstandard.ZstdCompressor] = self._local.__dict__.setdefault(
            "compressors", {}
        )
        if level not in compressors:
            compressors[level] = zstandard.ZstdCompressor(
                level=level, write_checksum=True, write_content_size=True
            )
        return compressors[level].compress(data)


def _sync_and_close(descriptor: int, path: Path) -> None:
    try:
        with translated(path):
            os.fsync(descriptor)
    finally:
        os.close(descriptor)
