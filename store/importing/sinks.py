"""Sinks: a sink hashes a layer, encodes it in the pool and writes the result, in one pass.

hashlib and zstandard release the GIL, so a few threads keep every core busy. Memory is bounded by
the pieces in flight, not by the size of the layer.
"""

from __future__ import annotations

import hashlib
from collections import deque
from typing import TYPE_CHECKING, BinaryIO, Protocol, final

from store.files.os_errors import translated
from store.files.page_cache import begin_writeback, write_all
from store.formats.compression.seekable_zstd import seek_table
from store.formats.compression.settings import FRAME_BYTES
from store.model.digests import DEFAULT_ALGORITHM, Digest, Hashed

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from concurrent.futures import Executor, Future

    from store.blobs.downloads import Download
    from store.importing.workers import Pool


class LayerSink(Protocol):
    """A sink takes a layer's plain bytes and writes them to a file, encoded or not."""

    def feed(self, piece: bytes) -> None:
        """Take the next bytes."""

    def finish(self) -> tuple[Hashed, Hashed]:
        """Write the remaining bytes; return digest and size of the plain bytes and of the file."""


class _Window:
    """A queue of at most ``size`` results that are still being computed.

    Waiting for the oldest result bounds the memory and raises the result's error in the caller.
    """

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
    """Stores a layer unencoded: the plain bytes and the file have the same digest.

    Args:
        file: Where the bytes are written.
        pool: Hashes and writes.
        algorithm: Hash algorithm of the digest.
        written_bytes: The number of bytes that the file has already; they are fed as well.
    """

    def __init__(
        self,
        file: BinaryIO,
        pool: Pool,
        algorithm: str = DEFAULT_ALGORITHM,
        written_bytes: int = 0,
    ) -> None:
        self._file = file
        self._pool = pool
        self._algorithm = algorithm
        self._written_bytes = written_bytes
        self._hash = hashlib.new(algorithm, usedforsecurity=False)
        self._size = 0
        self._window = _Window(2 * (pool.workers + 1))

    def feed(self, piece: bytes) -> None:
        """Hash ``piece`` on one thread and write it on another.

        If every core is busy with a layer of its own, the calling thread does both.
        """
        if self._pool.is_full:
            self._window.drain()
            self._hash.update(piece)
            self._append(piece, self._size)
        else:
            self._window.add(self._pool.incoming.submit(self._hash.update, piece))
            self._window.add(self._pool.outgoing.submit(self._append, piece, self._size))
        self._size += len(piece)

    def _append(self, piece: bytes, offset: int) -> None:
        append_rest(self._file, piece, offset, self._written_bytes)

    def finish(self) -> tuple[Hashed, Hashed]:
        """Write the remaining bytes; return digest and size of the plain bytes and of the file."""
        self._window.drain()
        hashed = Hashed(Digest(self._algorithm, self._hash.hexdigest()), self._size)
        return hashed, hashed


@final
class FrameSink:
    """Stores a layer as independent zstd frames; each decodes to at most `FRAME_BYTES`.

    A seek table follows if there is more than one frame.

    Args:
        file: Where the frames are written.
        pool: Hashes, encodes and writes.
        level: The zstd level.
        algorithm: Hash algorithm of the plain bytes' digest.
    """

    def __init__(
        self, file: BinaryIO, pool: Pool, level: int, algorithm: str = DEFAULT_ALGORITHM
    ) -> None:
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
        """Collect pieces into frames; a piece with the size of one frame is not copied."""
        while piece:
            room = FRAME_BYTES - self._partial_size
            head, piece = (piece, b"") if len(piece) <= room else (piece[:room], piece[room:])
            self._partial.append(head)
            self._partial_size += len(head)
            if self._partial_size == FRAME_BYTES:
                self._frame(self._take())

    def finish(self) -> tuple[Hashed, Hashed]:
        """Write the remaining bytes; return digest and size of the plain bytes and of the file.

        An empty layer is one empty frame.
        """
        rest = self._take()
        if not self._frames and self._diff_size == 0:
            # Passing less than one frame between threads costs more than it saves.
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
        return Hashed(Digest(self._algorithm, self._diff.hexdigest()), self._diff_size), Hashed(
            Digest("sha256", self._stored.hexdigest()), self._stored_size
        )

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
    """A queue of work on the pieces of one layer, done in the order of the pieces.

    The work runs in an executor, or in the calling thread if every core has a layer of its own.
    """

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
    """Stores a compressed layer as received, and hashes it both compressed and decoded.

    The caller decodes the layer and feeds the plain bytes as well.

    Args:
        file: Where the compressed bytes are written.
        pool: Hashes and writes.
        algorithm: Hash algorithm of the compressed bytes' digest.
        written_bytes: The number of bytes that the file has already; they are fed as well.
    """

    def __init__(
        self,
        file: BinaryIO,
        pool: Pool,
        algorithm: str = DEFAULT_ALGORITHM,
        written_bytes: int = 0,
    ) -> None:
        self._file = file
        self._algorithm = algorithm
        self._written_bytes = written_bytes
        self._diff = hashlib.sha256(usedforsecurity=False)
        self._diff_size = 0
        self._stored = hashlib.new(algorithm, usedforsecurity=False)
        self._stored_size = 0
        self._plain_lane = _Lane(pool, pool.incoming, self._diff.update)
        self._stored_lane = _Lane(pool, pool.outgoing, self._keep)

    def feed_stored(self, piece: bytes) -> None:
        """Write and hash the next compressed bytes."""
        self._stored_lane.feed(piece)

    def feed(self, piece: bytes) -> None:
        """Hash the next decoded bytes."""
        self._diff_size += len(piece)
        self._plain_lane.feed(piece)

    def finish(self) -> tuple[Hashed, Hashed]:
        """Write the remaining bytes; return digest and size of the plain bytes and of the file."""
        self._plain_lane.drain()
        self._stored_lane.drain()
        return Hashed(Digest("sha256", self._diff.hexdigest()), self._diff_size), Hashed(
            Digest(self._algorithm, self._stored.hexdigest()), self._stored_size
        )

    def _keep(self, piece: bytes) -> None:
        append_rest(self._file, piece, self._stored_size, self._written_bytes)
        self._stored.update(piece)
        self._stored_size += len(piece)


def append_rest(file: BinaryIO, piece: bytes, offset: int, written_bytes: int) -> None:
    """Append the part of a piece that a file does not have yet.

    Args:
        file: Its position is its end.
        piece: Bytes of the whole file.
        offset: The offset of the piece in the whole file, in bytes.
        written_bytes: The number of bytes that the file had at the beginning.
    """
    there = max(written_bytes - offset, 0)
    if there < len(piece):
        _append(file, piece[there:] if there else piece, offset + there)


def recorded(pieces: Iterator[bytes], download: Download) -> Iterator[bytes]:
    """Yield the pieces of a blob after they were written to the file of a download.

    Args:
        pieces: The bytes of the whole blob.
        download: The file, which has the first of the pieces already.
    """
    offset = 0
    for piece in pieces:
        with translated(download.path):
            append_rest(download.file, piece, offset, download.size_bytes)
        offset += len(piece)
        yield piece


def _append(file: BinaryIO, data: bytes, size_bytes: int) -> None:
    """Append ``data`` to a file of ``size_bytes`` bytes, and begin writeback.

    Then the fsync at the end has little left to write.
    """
    write_all(file, data)
    begin_writeback(file.fileno(), size_bytes, len(data))
