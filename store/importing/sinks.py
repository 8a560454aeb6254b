"""One pass over a layer's bytes: hash them, encode them in the pool, hash and write what comes out.

hashlib and zstandard release the GIL, so a few threads keep every core busy. Memory is bounded by the pieces in flight, never by the layer.
"""

from __future__ import annotations

import hashlib
import os
import re
import threading
from collections import deque
from concurrent.futures import CancelledError, ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, BinaryIO, Final, Protocol, Self, TypeVar, final

import zstandard

from store.errors import InvalidInput
from store.files.os_errors import translated
from store.files.page_cache import begin_writeback, write_all
from store.formats.compression.seekable_zstd import seek_table
from store.model.digests import Digest
from store.model.limits import MIB

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from concurrent.futures import Executor, Future
    from pathlib import Path

_T = TypeVar("_T")

FRAME_BYTES: Final = 4 * MIB
DEFAULT_LEVEL: Final = 2
"""A fifth faster than 3 and still smaller than gzip, which 1 is not (docs/benchmarks/findings.md)."""

DEFAULT_ALGORITHM: Final = "sha256"
_UNSYNCED_FILES: Final = 64
"""Files that wait to be synced, each open until then: a hundred thousand small layers come faster than a disk makes them durable."""
_LEVELS: Final = range(1, 20)
_SPEC: Final = re.compile(r"zstd(?::(?P<level>[0-9]{1,2}))?")


@final
@dataclass(frozen=True, slots=True)
class Compression:
    """How uncompressed layers are stored: the ``level`` of zstd, or None for as they are."""

    level: int | None = DEFAULT_LEVEL

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read ``none``, ``zstd`` or ``zstd:LEVEL``. Raises InvalidInput."""
        if text == "none":
            return cls(None)
        match = _SPEC.fullmatch(text)
        level = int(match["level"] or DEFAULT_LEVEL) if match else 0
        if level not in _LEVELS:
            raise InvalidInput(f"unknown compression {text!r}", hint=f"expected none, zstd or zstd:LEVEL with a level from {_LEVELS[0]} to {_LEVELS[-1]}")
        return cls(level)

    def __str__(self) -> str:
        return "none" if self.level is None else f"zstd:{self.level}"


@final
@dataclass(frozen=True, slots=True)
class Hashed:
    """A digest and how many bytes it was made from."""

    digest: Digest
    size_bytes: int


class Pool:
    """The threads of one operation: some that encode, one that hashes what comes in, one that hashes and writes what goes out, some with a layer of their own.

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

    def ahead(self, work: Callable[[], _T]) -> Future[_T]:
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
        """Make what was written to a file durable while the next layer is being read: `durable` waits for it.

        Raises what an earlier one failed with, a branch of Unavailable or StorageFull that names the file.
        """
        descriptor = os.dup(file.fileno())
        synced = self._syncs.submit(_sync_and_close, descriptor, path)
        # What is dropped with the pool is closed all the same: an open descriptor keeps a deleted file's bytes on the disk.
        synced.add_done_callback(lambda ended: os.close(descriptor) if ended.cancelled() else None)
        with self._awaiting:
            self._syncing.append(synced)
            self._await_syncs(_UNSYNCED_FILES)

    def durable(self) -> None:
        """Wait until everything given to `sync` is on the disk. Raises as `sync` does."""
        with self._awaiting:
            self._await_syncs(0)

    def _await_syncs(self, most: int) -> None:
        """Forget what is durable, and wait for the oldest while there are more than ``most``. What has failed stays: it is said to whoever asks."""
        while self._syncing and (len(self._syncing) > most or self._syncing[0].done()):
            self._syncing[0].result()
            self._syncing.popleft()

    def compress(self, data: bytes, level: int) -> Future[bytes]:
        """One independent zstd frame, with content size and checksum, made by a thread of the pool."""
        return self._encoders.submit(self.compress_now, data, level)

    def compress_now(self, data: bytes, level: int) -> bytes:
        """The same frame, made by the calling thread. A compressor serves one thread at a time, so each thread keeps its own."""
        compressors: dict[int, zstandard.ZstdCompressor] = self._local.__dict__.setdefault("compressors", {})
        if level not in compressors:
            compressors[level] = zstandard.ZstdCompressor(level=level, write_checksum=True, write_content_size=True)
        return compressors[level].compress(data)


class LayerSink(Protocol):
    """Takes the plain bytes of a layer and leaves a file."""

    def feed(self, piece: bytes) -> None:
        """Take the next bytes."""

    def finish(self) -> tuple[Hashed, Hashed]:
        """Everything is written: the plain bytes' digest, and the file's."""


class _Window:
    """Results outstanding; waiting for the oldest keeps memory bounded and brings a failure to the caller."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._pending: deque[Future[None]] = deque()

    def add(self, future: Future[None]) -> None:
        self._pending.append(future)
        while len(self._pending) > self._size:
            self._pending.popleft().result()

    def drain(self) -> None:
        while self._pending:
            self._pending.popleft().result()


@final
class PlainSink:
    """Stores a layer as it is: one digest serves for both sides."""

    def __init__(self, file: BinaryIO, pool: Pool, algorithm: str = DEFAULT_ALGORITHM) -> None:
        self._file = file
        self._pool = pool
        self._algorithm = algorithm
        self._hash = hashlib.new(algorithm, usedforsecurity=False)
        self._size = 0
        self._window = _Window(2 * (pool.workers + 1))

    def feed(self, piece: bytes) -> None:
        """Hash and write ``piece``, each on a lane of its own; by this thread while every core has a layer of its own."""
        if self._pool.is_full:
            self._window.drain()
            self._hash.update(piece)
            _append(self._file, piece, self._size)
        else:
            self._window.add(self._pool.incoming.submit(self._hash.update, piece))
            self._window.add(self._pool.outgoing.submit(_append, self._file, piece, self._size))
        self._size += len(piece)

    def finish(self) -> tuple[Hashed, Hashed]:
        """See `LayerSink`."""
        self._window.drain()
        hashed = Hashed(Digest(self._algorithm, self._hash.hexdigest()), self._size)
        return hashed, hashed


@final
class FrameSink:
    """Stores a layer as independent zstd frames of `FRAME_BYTES` content, with a seek table where there is more than one."""

    def __init__(self, file: BinaryIO, pool: Pool, level: int, algorithm: str = DEFAULT_ALGORITHM) -> None:
        self._file = file
        self._pool = pool
        self._level = level
        self._algorithm = algorithm
        self._diff = hashlib.new(algorithm, usedforsecurity=False)
        self._diff_size = 0
        self._stored = hashlib.sha256(usedforsecurity=False)
        self._stored_size = 0
        self._frames: list[tuple[int, int]] = []
        self._partial: list[bytes] = []
        self._partial_size = 0
        self._window = _Window(2 * (pool.workers + 1))

    def feed(self, piece: bytes) -> None:
        """Gather ``piece`` into frames; a piece that is just one frame is not copied."""
        while piece:
            room = FRAME_BYTES - self._partial_size
            head, piece = (piece, b"") if len(piece) <= room else (piece[:room], piece[room:])
            self._partial.append(head)
            self._partial_size += len(head)
            if self._partial_size == FRAME_BYTES:
                self._frame(self._take())

    def finish(self) -> tuple[Hashed, Hashed]:
        """See `LayerSink`. An empty layer is one empty frame."""
        rest = self._take()
        if not self._frames and self._diff_size == 0:
            # A layer of less than one frame: handing it from thread to thread would cost more than it saves.
            self._diff.update(rest)
            self._diff_size += len(rest)
            self._put(self._pool.compress_now(rest, self._level), len(rest))
        else:
            if rest:
                self._frame(rest)
            self._window.drain()
        if len(self._frames) > 1:
            table = seek_table(self._frames)
            _append(self._file, table, self._stored_size)
            self._stored.update(table)
            self._stored_size += len(table)
        return Hashed(Digest(self._algorithm, self._diff.hexdigest()), self._diff_size), Hashed(Digest("sha256", self._stored.hexdigest()), self._stored_size)

    def _take(self) -> bytes:
        data = self._partial[0] if len(self._partial) == 1 else b"".join(self._partial)
        self._partial.clear()
        self._partial_size = 0
        return data

    def _frame(self, data: bytes) -> None:
        self._diff_size += len(data)
        if self._pool.is_full:
            self._window.drain()
            self._diff.update(data)
            self._put(self._pool.compress_now(data, self._level), len(data))
            return
        self._window.add(self._pool.incoming.submit(self._diff.update, data))
        encoded = self._pool.compress(data, self._level)
        self._window.add(self._pool.outgoing.submit(self._put_future, encoded, len(data)))

    def _put_future(self, encoded: Future[bytes], content_bytes: int) -> None:
        self._put(encoded.result(), content_bytes)

    def _put(self, frame: bytes, content_bytes: int) -> None:
        _append(self._file, frame, self._stored_size)
        self._stored.update(frame)
        self._stored_size += len(frame)
        self._frames.append((len(frame), content_bytes))


@final
class _Lane:
    """Pieces of one layer, dealt with in order: beside the thread that brings them, or by it while every core has a layer of its own."""

    def __init__(self, pool: Pool, executor: Executor, work: Callable[[bytes], None]) -> None:
        self._pool = pool
        self._executor = executor
        self._work = work
        self._window = _Window(pool.workers + 1)

    def feed(self, piece: bytes) -> None:
        if self._pool.is_full:
            self._window.drain()
            self._work(piece)
        else:
            self._window.add(self._executor.submit(self._work, piece))

    def drain(self) -> None:
        self._window.drain()


@final
class KeptSink:
    """Writes stored bytes as they came (gzip, zstd), hashing both sides; the caller decodes and feeds the plain bytes."""

    def __init__(self, file: BinaryIO, pool: Pool, algorithm: str = DEFAULT_ALGORITHM) -> None:
        self._file = file
        self._algorithm = algorithm
        self._diff = hashlib.sha256(usedforsecurity=False)
        self._diff_size = 0
        self._stored = hashlib.new(algorithm, usedforsecurity=False)
        self._stored_size = 0
        self._plain_lane = _Lane(pool, pool.incoming, self._diff.update)
        self._stored_lane = _Lane(pool, pool.outgoing, self._keep)

    def feed_stored(self, piece: bytes) -> None:
        """The next bytes as they came."""
        self._stored_lane.feed(piece)

    def feed(self, piece: bytes) -> None:
        """The next bytes, decoded."""
        self._diff_size += len(piece)
        self._plain_lane.feed(piece)

    def finish(self) -> tuple[Hashed, Hashed]:
        """See `LayerSink`."""
        self._plain_lane.drain()
        self._stored_lane.drain()
        return Hashed(Digest("sha256", self._diff.hexdigest()), self._diff_size), Hashed(Digest(self._algorithm, self._stored.hexdigest()), self._stored_size)

    def _keep(self, piece: bytes) -> None:
        _append(self._file, piece, self._stored_size)
        self._stored.update(piece)
        self._stored_size += len(piece)


def _append(file: BinaryIO, data: bytes, size_bytes: int) -> None:
    """Write behind the ``size_bytes`` that the file has; the disk begins at once, so that the fsync at the end finds little to do."""
    write_all(file, data)
    begin_writeback(file.fileno(), size_bytes, len(data))


def _sync_and_close(descriptor: int, path: Path) -> None:
    try:
        with translated(path):
            os.fsync(descriptor)
    finally:
        os.close(descriptor)
