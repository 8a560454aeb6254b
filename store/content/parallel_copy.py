"""Contents written straight into their places in a file.

Each piece is read, decoded and written by whichever thread is free, in any order.

Nothing passes through a queue of buffers, so this is as fast as the cores and the file system are;
`store.content.reader` does the same for what has to be a stream. Every stored byte is hashed again,
as there: the file is sound when `Scatter.finish` has returned, and not before.
"""

from __future__ import annotations

import errno
import hashlib
import mmap
import os
import threading
from collections import deque
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TYPE_CHECKING, BinaryIO, Final, Self, final

import zstandard

from store.content.frames import damaged, frame_index
from store.errors import ContentMissing, DamagedContent
from store.files.os_errors import translated
from store.files.page_cache import begin_writeback, write_at
from store.model.contents import ContentState
from store.model.digests import Digest
from store.model.limits import MIB

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from store.blobs.protocol import BlobStore
    from store.content.reader import Reader
    from store.formats.compression.seekable_zstd import Frame
    from store.model.contents import Sources, StoredEncoding

_COPY_BYTES: Final = 16 * MIB
_HASH_BYTES: Final = MIB // 4
"""What is read stays in the core's own cache until it is hashed."""

_OPEN_AT_ONCE: Final = 64
"""Contents that are being written; each holds a file open."""

_NO_COPY_RANGE: Final = frozenset(
    {errno.EXDEV, errno.ENOSYS, errno.EINVAL, errno.EOPNOTSUPP, errno.EPERM, errno.EBADF}
)


@final
class Scatter:
    """Writes into one open file.

    Offsets are bytes from its start; ``on_written`` is told how many bytes are done, from several
    threads.
    """

    def __init__(self, blobs: BlobStore, reader: Reader, descriptor: int, workers: int = 2) -> None:
        self._blobs = blobs
        self._reader = reader
        self._descriptor = descriptor
        self._pool = ThreadPoolExecutor(workers + 1, thread_name_prefix="scatter")
        self._local = threading.local()
        # The kernel lets one writer at a time into a file, and has the others spin. Here they
        # sleep, and another thread decodes meanwhile.
        self._writing = threading.Lock()
        self._running: deque[_Content] = deque()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exc: object) -> None:
        self._pool.shutdown(wait=True, cancel_futures=True)
        for content in self._running:
            content.close()

    def put(self, data: bytes, offset: int) -> None:
        """Write ``data`` now."""
        write_at(self._descriptor, data, offset)

    def content(self, sources: Sources, offset: int, on_written: Callable[[int], None]) -> None:
        """Write a content; it may be done only when `finish` has returned.

        Raises DamagedContent, ContentMissing, also for contents that were given before.
        """
        if sources.inline is None and sources.state is ContentState.DAMAGED:
            raise damaged(sources.digest, "it was found damaged before")
        if sources.inline is None and sources.in_file:
            self._start(
                _Content(self._blobs.open(sources.digest), sources.digest, sources.size_bytes),
                self._copies(sources.size_bytes, offset, on_written),
            )
            return
        stored = sources.encodings[0] if sources.encodings else None
        if (
            sources.inline is None
            and stored is not None
            and (started := self._frames(sources, stored, offset, on_written))
        ):
            self._start(*started)
            return
        while len(self._running) >= _OPEN_AT_ONCE:
            self._running.popleft().settle()
        self._running.append(
            _Content(
                None,
                sources.digest,
                sources.size_bytes,
                [self._pool.submit(self._stream, sources, offset, on_written)],
            )
        )

    def file(self, path: Path, offset: int, size_bytes: int) -> None:
        """Write a file that nobody else knows; it may be done only when `finish` has returned."""
        with translated(path):
            opened = path.open("rb", buffering=0)
        content = _Content(opened, None, size_bytes)
        content.tasks = [
            self._pool.submit(task, opened) for task in self._copies(size_bytes, offset, _ignore)
        ]
        self._running.append(content)

    def finish(self) -> None:
        """Wait for all that was begun.

        Raises DamagedContent, ContentMissing, StorageFull and the like: then the file is worth
        nothing.
        """
        while self._running:
            self._running.popleft().settle()

    def _start(self, content: _Content, tasks: list[Callable[[BinaryIO], None]]) -> None:
        self._running.append(content)
        file, digest = content.file, content.digest
        assert file is not None  # noqa: S101 - contents with tasks have a file and a digest
        assert digest is not None  # noqa: S101
        # The hash first: it is one long task, and the others fill the time beside it.
        content.tasks.append(self._pool.submit(self._verify, file, digest, content.size_bytes))
        content.tasks.extend(self._pool.submit(task, file) for task in tasks)
        while len(self._running) >= _OPEN_AT_ONCE:
            self._running.popleft().settle()

    # --- what the tasks do ------------------------------------------------------------------------

    def _verify(self, file: BinaryIO, digest: Digest, size_bytes: int) -> None:
        buffer = self._buffer("hash", _HASH_BYTES)
        hashed = hashlib.new(digest.algorithm, usedforsecurity=False)
        position = 0
        with translated(str(digest)):
            while count := os.preadv(file.fileno(), [buffer], position):
                hashed.update(buffer[:count])
                position += count
        got = Digest(digest.algorithm, hashed.hexdigest())
        if got != digest:
            raise damaged(digest, f"{position} of {size_bytes} bytes, with digest {got}")

    def _copies(
        self, size: int, offset: int, on_written: Callable[[int], None]
    ) -> list[Callable[[BinaryIO], None]]:
        def copy(start: int, count: int) -> Callable[[BinaryIO], None]:
            def run(file: BinaryIO) -> None:
                with self._writing:
                    _copy_range(file.fileno(), self._descriptor, count, start, offset + start)
                begin_writeback(self._descriptor, offset + start, count)
                on_written(count)

            return run

        return [
            copy(start, min(_COPY_BYTES, size - start)) for start in range(0, size, _COPY_BYTES)
        ]

    def _frames(
        self,
        sources: Sources,
        stored: StoredEncoding,
        offset: int,
        on_written: Callable[[int], None],
    ) -> tuple[_Content, list[Callable[[BinaryIO], None]]] | None:
        """The tasks for a content in independent frames; None for any other encoding."""
        if stored.codec != "zstd" or not stored.seekable:
            return None
        file = self._blobs.open(stored.digest)
        frames = frame_index(file, stored)
        if frames is None or sum(frame.content_bytes for frame in frames) != sources.size_bytes:
            file.close()
            return None

        def decode(frame: Frame, source: int, target: int) -> Callable[[BinaryIO], None]:
            def run(file: BinaryIO) -> None:
                self._decode(file, stored.digest, frame, source, target)
                on_written(frame.content_bytes)

            return run

        tasks = []
        source = 0
        for frame in frames:
            tasks.append(decode(frame, source, offset))
            source += frame.stored_bytes
            offset += frame.content_bytes
        return _Content(file, stored.digest, stored.size_bytes), tasks

    def _decode(
        self, file: BinaryIO, digest: Digest, frame: Frame, source: int, target: int
    ) -> None:
        data = self._buffer("stored", frame.stored_bytes)[: frame.stored_bytes]
        plain = self._buffer("plain", frame.content_bytes)[: frame.content_bytes]
        with translated(str(digest)):
            count = os.preadv(file.fileno(), [data], source)
        known = self._local.__dict__
        if "decompressor" not in known:
            known["decompressor"] = zstandard.ZstdDecompressor()
        try:
            fits = count == len(data) and zstandard.frame_content_size(data) == len(plain)
            with known["decompressor"].stream_reader(data, read_across_frames=False) as decoded:
                fits = fits and decoded.readinto(plain) == len(plain)
        except zstandard.ZstdError as exc:
            raise damaged(digest, str(exc)) from exc
        if not fits:
            raise damaged(digest, "a frame does not fit the seek table")
        with self._writing:
            write_at(self._descriptor, plain, target)
        begin_writeback(self._descriptor, target, len(plain))

    def _stream(self, sources: Sources, offset: int, on_written: Callable[[int], None]) -> None:
        for piece in self._reader.chunks(sources):
            write_at(self._descriptor, piece, offset)
            offset += len(piece)
            on_written(len(piece))

    def _buffer(self, name: str, size: int) -> memoryview:
        """A buffer of this thread's own, at least so large; used again for the next piece."""
        known: dict[str, memoryview] = self._local.__dict__
        if name not in known or len(known[name]) < size:
            # Of whole pages: the kernel copies from and to them up to twice as fast as where malloc
            # begins, 16 bytes into one.
            known[name] = memoryview(mmap.mmap(-1, size))
        return known[name]


@final
class _Content:
    """A content that is being written."""

    def __init__(
        self,
        file: BinaryIO | None,
        digest: Digest | None,
        size_bytes: int,
        tasks: list[Future[None]] | None = None,
    ) -> None:
        self.file = file
        self.digest = digest
        self.size_bytes = size_bytes
        self.tasks: list[Future[None]] = tasks or []

    def close(self) -> None:
        """Let its file go."""
        if self.file is not None:
            self.file.close()

    def settle(self) -> None:
        """Wait until it is written.

        A wrong digest explains whatever else went wrong, so it is looked at first.
        """
        try:
            problems = [problem for task in self.tasks if (problem := task.exception()) is not None]
        finally:
            self.close()
        for kind in (DamagedContent, ContentMissing, BaseException):
            for problem in problems:
                if isinstance(problem, kind):
                    raise problem


def _ignore(_size: int) -> None:
    """It was counted when it was made."""


def _copy_range(
    source: int, target: int, count: int, source_offset: int, target_offset: int
) -> None:
    """Copy inside the kernel where it can.

    A source that ends early leaves the rest to whoever hashes it.
    """
    in_kernel = True
    while count:
        if in_kernel:
            try:
                done = os.copy_file_range(source, target, count, source_offset, target_offset)
            except OSError as exc:
                if exc.errno not in _NO_COPY_RANGE:
                    raise
                in_kernel = False
                continue
        else:
            data = os.pread(source, min(count, _HASH_BYTES), source_offset)
            write_at(target, data, target_offset)
            done = len(data)
        if not done:
            if not in_kernel:
                return
            # Some file systems say so of files that have bytes: only a read that finds none has
            # found the end (copy_file_range(2), bugs).
            in_kernel = False
        count -= done
        source_offset += done
        target_offset += done
