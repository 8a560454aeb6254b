"""The parts of copying blobs: hashing beside writing, and several blobs at once."""

from __future__ import annotations

import hashlib
import os
import threading
from collections import deque
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Final, Self, TypeVar, final

from store.files.page_cache import WRITE_BYTES, begin_writeback
from store.model.limits import MIB

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from concurrent.futures import Future
    from pathlib import Path

Item = TypeVar("Item")
Result = TypeVar("Result")

PIECE_BYTES: Final = MIB
_ASIDE_BYTES: Final = 4 * MIB
"""From this size on, another thread hashes while this thread writes."""

_WRITEBACK_BYTES: Final = 32 * MIB

_THREADS: Final = 8
"""How many blobs are copied at once: most of the time of a small blob is its fsync."""

_WINDOW: Final = 4 * _THREADS
"""How many blobs wait for a thread, or for the thread that reads the results."""


@final
class Hasher:
    """Passes bytes on and hashes them. Use it as a context manager, in one thread.

    Args:
        algorithm: ``sha256`` or ``sha512``.
        size_bytes: The expected number of bytes; the bytes of a large blob are hashed by a second
            thread, while the first one writes them.
    """

    def __init__(self, algorithm: str, size_bytes: int) -> None:
        self._hash = hashlib.new(algorithm, usedforsecurity=False)
        self._thread = ThreadPoolExecutor(1) if size_bytes >= _ASIDE_BYTES else None
        self.size_bytes = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exc: object) -> None:
        if self._thread is not None:
            self._thread.shutdown(wait=True, cancel_futures=True)

    def passed(self, piece: bytes | memoryview, write: Callable[[memoryview], None]) -> None:
        """Hash a piece, and write it at the same time.

        Args:
            piece: The next bytes; they must not change before this returns.
            write: Writes all of them.
        """
        view = memoryview(piece)
        self.size_bytes += len(view)
        if self._thread is None:
            self._hash.update(view)
            write(view)
            return
        hashed = self._thread.submit(self._hash.update, view)
        try:
            write(view)
        finally:
            hashed.result()

    def hexdigest(self) -> str:
        """Return the digest of all bytes so far, in hex."""
        return self._hash.hexdigest()


@final
class FileWriter:
    """Appends pieces to a file of known size, and lets the kernel write them early.

    Args:
        descriptor: A regular file, open for writing, at its start.
    """

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._written = 0
        self._begun = 0

    def write(self, view: memoryview) -> None:
        """Write all bytes of a piece.

        Raises:
            OSError: The file cannot be written.
        """
        while view:
            taken = os.write(self._descriptor, view[:WRITE_BYTES])
            view = view[taken:]
            self._written += taken
        if self._written - self._begun >= _WRITEBACK_BYTES:
            begin_writeback(self._descriptor, self._begun, self._written - self._begun)
            self._begun = self._written


def file_sha256(path: Path) -> str:
    """Return the SHA-256 of a file, in hex.

    Raises:
        OSError: The file cannot be read.
    """
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


class StoppedError(Exception):
    """Another thread of a crew has failed, or the user has interrupted the run."""


@final
class Crew:
    """A few threads that act on blobs, in any order."""

    def __init__(self) -> None:
        self._stopped = threading.Event()

    def check(self) -> None:
        """Return if the threads may go on. Call this often in each thread.

        Raises:
            StoppedError: The run has failed.
        """
        if self._stopped.is_set():
            raise StoppedError

    def run(self, act: Callable[[Item], Result], items: Iterable[Item]) -> Iterator[Result]:
        """Call ``act`` on each item in several threads; yield the results in the items' order.

        The first exception ends all threads, and is raised.

        Args:
            act: Called in any thread.
            items: Read when a thread is free.
        """
        waiting: deque[Future[Result]] = deque()
        with ThreadPoolExecutor(_THREADS) as pool:
            try:
                for item in items:
                    waiting.append(pool.submit(act, item))
                    if len(waiting) >= _WINDOW:
                        yield waiting.popleft().result()
                while waiting:
                    yield waiting.popleft().result()
            except BaseException:
                self._stopped.set()
                for future in waiting:
                    future.cancel()
                raise
