"""Contents written straight into their places in a file.

Each piece is read, decoded and written by whichever thread is free, in any order. No piece passes
through a queue of buffers, so this is as fast as the cores and the file system are;
`store.content.reader` does the same for output that has to be a stream. Every stored byte is hashed
again, as there: the file is sound only after `Scatter.finish` has returned.
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
"""How much of a plain blob is one task."""

_HASH_BYTES: Final = MIB // 4
"""Read and hashed at once: so much stays in the core's own cache in between."""

_MAX_OPEN: Final = 64
"""How many contents are being written at once; each holds a blob open."""


@final
class Scatter:
    """Writes contents into one open file, with threads of its own.

    Offsets are bytes from the start of the file.

    Args:
        blobs: Where the contents are stored.
        reader: Decodes contents that can only be decoded as a stream.
        descriptor: The regular file, open for writing.
        workers: How many contents or pieces are decoded at once.
    """

    def __init__(self, blobs: BlobStore, reader: Reader, descriptor: int, workers: int = 2) -> None:
        self._blobs = blobs
        self._reader = reader
        self._descriptor = descriptor
        self._pool = ThreadPoolExecutor(workers + 1, thread_name_prefix="scatter")
        self._local = threading.local()
        # The kernel lets one writer at a time into a file, and the others spin. Here they sleep,
        # and another thread decodes meanwhile.
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
        """Begin to write a content; `finish` waits until it is written.

        Args:
            sources: The forms of the content.
            offset: Where it goes.
            on_written: Called with the number of bytes just written, from several threads.

        Raises:
            DamagedContent: Stored bytes of this content, or of an earlier one, are wrong.
            ContentMissing: The blob of this content, or of an earlier one, is missing.
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
            path: The file.
            offset: Where it goes.
            size_bytes: The size of the file.
        """
        with translated(path):
            blob = OpenFile(path.open("rb", buffering=0), path)
        self._start(blob, self._copies(blob, size_bytes, offset, _ignore))

    def finish(self) -> None:
        """Wait until everything is written.

        Raises:
            DamagedContent: Stored bytes are wrong. As after every error, the file is worthless.
            ContentMissing: A blob is missing.
            OSError: The file cannot be written.
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
        """Begin to write a content from independent frames; False for any other encoding."""
        stored = sources.encodings[0]
        blob = open_stored(self._blobs, stored.digest)
        frames = Frames.of(blob, stored, sources.size_bytes)
        if frames is None:
            blob.close()
            return False

        def decode(frame: Frame) -> Callable[[], None]:
            return lambda: self._decode(frames, frame, offset, on_written)

        self._start(
            blob,
            [
                # First: it is one long task, and the others fill the time beside it.
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
            raise damaged(digest, f"{position} of {size_bytes} bytes, with digest {got}")

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
            # A blob that ends early is left to `_verify`.
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
        """Return this thread's buffer of that name, at least so large; later tasks reuse it."""
        known: dict[str, memoryview] = self._local.__dict__
        if name not in known or len(known[name]) < size_bytes:
            # Whole pages: the kernel copies from and to them up to twice as fast as where malloc
            # begins, 16 bytes into one.
            known[name] = memoryview(mmap.mmap(-1, size_bytes or mmap.PAGESIZE))
        return known[name]


@final
class _Content:
    """A content that is being written: its open blob, if it has one, and the tasks."""

    def __init__(self, blob: OpenBlob | None, tasks: list[Future[None]]) -> None:
        self._blob = blob
        self._tasks = tasks

    def close(self) -> None:
        """Close the blob."""
        if self._blob is not None:
            self._blob.close()

    def settle(self) -> None:
        """Wait for the tasks, and raise the error of a task that failed.

        A wrong digest explains every other problem, so it is raised first.
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
    """Take no notice: these bytes were counted when the file was made."""
