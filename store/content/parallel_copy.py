"""Parallel writes of stored bytes into one output file, each piece at its own offset.

Any free thread reads, decodes and writes the next piece, in any order. No piece passes through a
queue of buffers, so the speed is limited only by the cores and the file system. For output that has
to be a stream, use `store.content.reader`. Every stored byte is hashed again, as in the reader, so
the file is sound only after `Scatter.finish` has returned.
"""

from __future__ import annotations

import hashlib
import mmap
import threading
from collections import deque
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TYPE_CHECKING, Final, Self, final

from store.blobs.open_file import OpenFile
from store.content.frames import Frames
from store.content.stored import damaged, open_stored, require_readable
from store.errors import ContentMissing, DamagedContent
from store.files.kernel_copy import copy_in_kernel
from store.files.os_errors import translated
from store.files.page_cache import begin_writeback, write_at
from store.model.digests import Digest
from store.model.limits import MIB

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from store.blobs.protocol import BlobStore, OpenBlob
    from store.content.reader import Reader
    from store.formats.compression.seekable_zstd import Frame
    from store.model.contents import Sources

_COPY_BYTES: Final = 16 * MIB
"""Bytes of an unencoded blob that one task copies."""

_HASH_BYTES: Final = MIB // 4
"""Bytes per read of the hashing task: few enough to be in the core's cache when they are hashed."""

_MAX_OPEN: Final = 64
"""Largest number of blobs that are written, and so are open, at once."""


@final
class Scatter:
    """Writes stored bytes into one open file, with threads of its own.

    Offsets are bytes from the start of the file.

    Args:
        blobs: The blob store to read from.
        reader: Decodes encodings that can only be decoded as a stream.
        descriptor: The output file, a regular file that is open for writing.
        workers: Number of blobs or pieces that are decoded at once.
    """

    def __init__(self, blobs: BlobStore, reader: Reader, descriptor: int, workers: int = 2) -> None:
        self._blobs = blobs
        self._reader = reader
        self._descriptor = descriptor
        self._pool = ThreadPoolExecutor(workers + 1, thread_name_prefix="scatter")
        self._local = threading.local()
        # The kernel lets only one thread at a time write to a file, and the others spin. With this
        # lock they sleep, so that another thread can decode.
        self._writing = threading.Lock()
        self._running: deque[_Content] = deque()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exc: object) -> None:
        self._pool.shutdown(wait=True, cancel_futures=True)
        for content in self._running:
            content.close()

    def put(self, data: bytes, offset: int) -> None:
        """Write ``data`` at ``offset`` now."""
        write_at(self._descriptor, data, offset)

    def content(self, sources: Sources, offset: int, on_written: Callable[[int], None]) -> None:
        """Begin to write the bytes of a digest; `finish` waits until they are written.

        Args:
            sources: The stored forms of the digest.
            offset: Offset of the first byte in the output.
            on_written: Called with the number of bytes just written, from several threads.

        Raises:
            DamagedContent: Stored bytes of this digest, or of an earlier digest, are wrong.
            ContentMissing: A blob of this digest, or of an earlier digest, is missing.
        """
        require_readable(sources)
        if sources.inline is None and sources.in_file:
            blob = open_stored(self._blobs, sources.digest)
            self._start(
                blob,
                [
                    lambda: self._verify(blob, sources.digest, sources.size_bytes),
                    *self._copies(blob, sources.size_bytes, offset, on_written),
                ],
            )
        elif sources.inline is not None or not self._start_frames(sources, offset, on_written):
            self._start(None, [lambda: self._stream(sources, offset, on_written)])

    def file(self, path: Path, offset: int, size_bytes: int) -> None:
        """Begin to write a file that no other process changes; `finish` waits until it is written.

        Args:
            path: The file to copy from.
            offset: Offset of the file's first byte in the output.
            size_bytes: The size of the file in bytes.
        """
        with translated(path):
            blob = OpenFile(path.open("rb", buffering=0), path)
        self._start(blob, self._copies(blob, size_bytes, offset, _ignore))

    def finish(self) -> None:
        """Wait until everything is written.

        Raises:
            DamagedContent: Stored bytes are wrong. After any error, discard the output.
            ContentMissing: A blob is missing.
            OSError: The output cannot be written.
        """
        while self._running:
            self._running.popleft().settle()

    def _start(self, blob: OpenBlob | None, tasks: list[Callable[[], None]]) -> None:
        while len(self._running) >= _MAX_OPEN:
            try:
                self._running.popleft().settle()
            except BaseException:
                if blob is not None:
                    blob.close()
                raise
        self._running.append(_Content(blob, [self._pool.submit(task) for task in tasks]))

    def _start_frames(
        self, sources: Sources, offset: int, on_written: Callable[[int], None]
    ) -> bool:
        """Begin to write from frames that this store made; return False for any other encoding."""
        stored = sources.encodings[0]
        if not stored.is_ours:
            # The decoded bytes have to be hashed in their order.
            return False
        blob = open_stored(self._blobs, stored.digest)
        with self._reader.memory.lease() as memory:
            frames = Frames.of(blob, stored, sources.size_bytes, memory)
        if frames is None:
            blob.close()
            return False

        def decode(frame: Frame) -> Callable[[], None]:
            return lambda: self._decode(frames, frame, offset, on_written)

        self._start(
            blob,
            [
                # Begin with the longest task, so that the other tasks run beside it.
                lambda: self._verify(blob, stored.digest, stored.size_bytes),
                *(decode(frame) for frame in frames.index),
            ],
        )
        return True

    # --- tasks --------------------------------------------------------------------------------

    def _verify(self, blob: OpenBlob, digest: Digest, size_bytes: int) -> None:
        buffer = self._buffer("hash", _HASH_BYTES)
        hashed = hashlib.new(digest.algorithm, usedforsecurity=False)
        position = 0
        while count := blob.pread_into(position, buffer):
            hashed.update(buffer[:count])
            position += count
        got = Digest(digest.algorithm, hashed.hexdigest())
        if got != digest:
            raise damaged(digest, f"read {position} of {size_bytes} bytes; their digest is {got}")

    def _copies(
        self, blob: OpenBlob, size_bytes: int, offset: int, on_written: Callable[[int], None]
    ) -> list[Callable[[], None]]:
        def copy(start: int) -> Callable[[], None]:
            count = min(_COPY_BYTES, size_bytes - start)
            return lambda: self._copy(blob, start, count, offset + start, on_written)

        return [copy(start) for start in range(0, size_bytes, _COPY_BYTES)]

    def _copy(
        self,
        blob: OpenBlob,
        start: int,
        size_bytes: int,
        target: int,
        on_written: Callable[[int], None],
    ) -> None:
        with self._writing:
            file = blob.as_file()
            done = 0
            if file is not None:
                done = copy_in_kernel(
                    file, self._descriptor, size_bytes, source_offset=start, target_offset=target
                )
            # If the blob ends early, `_verify` reports it.
            while data := blob.pread(start + done, min(size_bytes - done, _HASH_BYTES)):
                write_at(self._descriptor, data, target + done)
                done += len(data)
        begin_writeback(self._descriptor, target, size_bytes)
        on_written(size_bytes)

    def _decode(
        self, frames: Frames, frame: Frame, offset: int, on_written: Callable[[int], None]
    ) -> None:
        data = frames.read_into(frame, self._buffer("stored", frame.stored_bytes))
        plain = frames.decode_into(frame, data, self._buffer("plain", frame.content_bytes))
        target = offset + frame.content_offset
        with self._writing:
            write_at(self._descriptor, plain, target)
        begin_writeback(self._descriptor, target, len(plain))
        on_written(len(plain))

    def _stream(self, sources: Sources, offset: int, on_written: Callable[[int], None]) -> None:
        for piece in self._reader.chunks(sources):
            write_at(self._descriptor, piece, offset)
            offset += len(piece)
            on_written(len(piece))

    def _buffer(self, name: str, size_bytes: int) -> memoryview:
        """Return this thread's buffer for a name, at least ``size_bytes`` large; tasks share it."""
        known: dict[str, memoryview] = self._local.__dict__
        if name not in known or len(known[name]) < size_bytes:
            # Memory that begins at a page boundary: the kernel copies up to twice as fast as with
            # memory from malloc, which begins 16 bytes after a boundary.
            known[name] = memoryview(mmap.mmap(-1, size_bytes or mmap.PAGESIZE))
        return known[name]


@final
class _Content:
    """A digest whose bytes are being written: its open blob, if any, and the writing tasks."""

    def __init__(self, blob: OpenBlob | None, tasks: list[Future[None]]) -> None:
        self._blob = blob
        self._tasks = tasks

    def close(self) -> None:
        """Close the blob."""
        if self._blob is not None:
            self._blob.close()

    def settle(self) -> None:
        """Wait for the tasks, and raise the error of a task that failed.

        A wrong digest explains every other problem, so the error for a wrong digest is raised
        first.
        """
        try:
            problems = [
                problem for task in self._tasks if (problem := task.exception()) is not None
            ]
        finally:
            self.close()
        for kind in (DamagedContent, ContentMissing, BaseException):
            for problem in problems:
                if isinstance(problem, kind):
                    raise problem


def _ignore(_size: int) -> None:
    """Do not report progress: these bytes were counted when the file was made."""
