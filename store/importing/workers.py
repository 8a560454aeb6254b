"""The pool of threads of one import."""

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
"""Largest number of open files that wait for fsync: small layers arrive faster than disks sync."""


class Pool:
    """The threads of one operation.

    Several threads encode, and several threads read one layer each. One thread hashes input, one
    hashes and writes output, and one syncs files. These single threads keep the order of their
    work, even if several layers are read at once.

    Args:
        workers: Number of threads that encode, and of threads that read; None for one per core.
        readers: Number of threads that read, if they wait for a network; None for ``workers``.
    """

    def __init__(self, workers: int | None = None, readers: int | None = None) -> None:
        self.workers = workers or os.cpu_count() or 1
        self._encoders = ThreadPoolExecutor(self.workers, thread_name_prefix="encode")
        self.incoming = ThreadPoolExecutor(1, thread_name_prefix="hash-in")
        self.outgoing = ThreadPoolExecutor(1, thread_name_prefix="hash-out")
        self._syncs = ThreadPoolExecutor(1, thread_name_prefix="sync")
        self._layers = ThreadPoolExecutor(readers or self.workers, thread_name_prefix="layer")
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
        """Drop work that has not begun, end prefetched layers, and wait for running work."""
        self._closing = True
        for executor in (self._layers, self.incoming, self._encoders, self.outgoing, self._syncs):
            executor.shutdown(wait=True, cancel_futures=True)

    def settle(self) -> None:
        """Wait until the threads of input and output have finished their work.

        After a failure, call this before you close a file that a thread may be writing to.
        """
        for lane in (self.incoming, self.outgoing):
            lane.submit(int).result()

    def prefetch(self, work: Callable[[], _T]) -> Future[_T]:
        """Begin to read a layer before it is needed."""
        return self._layers.submit(self._pass, work)

    @property
    def is_full(self) -> bool:
        """Whether every core has a layer of its own.

        If so, passing a layer's pieces to other threads costs time and gains nothing.
        """
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
        """Yield ``pieces`` until the pool is closed.

        Raises:
            CancelledError: The pool was closed, so the result is no longer needed.
        """
        for piece in pieces:
            if self._closing:
                raise CancelledError
            yield piece

    def sync(self, file: BinaryIO, path: Path) -> None:
        """Begin to sync a file while the next layer is read; `durable` waits until it is synced.

        Args:
            file: The open file; the caller may close it.
            path: Path of the file, for errors.

        Raises:
            Unavailable: An earlier file could not be synced.
            StorageFull: The disk is full.
        """
        descriptor = os.dup(file.fileno())
        synced = self._syncs.submit(_sync_and_close, descriptor, path)
        # If the pool drops the work, the descriptor is closed here: an open descriptor keeps the
        # bytes of a deleted file on the disk.
        synced.add_done_callback(lambda ended: os.close(descriptor) if ended.cancelled() else None)
        with self._awaiting:
            self._syncing.append(synced)
            self._await_syncs(_UNSYNCED_FILES)

    def durable(self) -> None:
        """Wait until every file that was passed to `sync` is on the disk.

        Raises:
            Unavailable: A file could not be synced.
            StorageFull: The disk is full.
        """
        with self._awaiting:
            self._await_syncs(0)

    def _await_syncs(self, most: int) -> None:
        """Forget finished syncs, and wait for the oldest sync while more than ``most`` are left.

        A failed sync stays in the list, so that every later call raises its error.
        """
        while self._syncing and (len(self._syncing) > most or self._syncing[0].done()):
            self._syncing[0].result()
            self._syncing.popleft()

    def compress(self, data: bytes, level: int) -> Future[bytes]:
        """Begin to encode one independent zstd frame, with content size and checksum.

        Args:
            data: The bytes to encode.
            level: The zstd level.
        """
        return self._encoders.submit(self.compress_now, data, level)

    def compress_now(self, data: bytes, level: int) -> bytes:
        """Encode one independent zstd frame in the calling thread (see `compress`).

        Only one thread at a time can use a compressor, so each thread has a compressor of its own.
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
