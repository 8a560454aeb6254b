"""Threads that read large blobs, while the check goes on with small ones.

Hashing and decoding of large buffers release Python's lock, so threads keep every core busy. For
small blobs they would only wait for each other.
"""

from __future__ import annotations

import os
from concurrent.futures import FIRST_COMPLETED, ThreadPoolExecutor, wait
from typing import TYPE_CHECKING, Final, Generic, Self, TypeVar, final

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from concurrent.futures import Future

T = TypeVar("T")
R = TypeVar("R")

_WAITING_PER_WORKER: Final = 2


@final
class Workers(Generic[T, R]):
    """A pool of threads with a short queue. Use it as a context manager.

    Args:
        work: Called in a thread with each item.
        count: The number of threads; None for one for each core.
    """

    def __init__(self, work: Callable[[T], R], count: int | None = None) -> None:
        self._work = work
        self._count = count or len(os.sched_getaffinity(0))
        self._pool = ThreadPoolExecutor(self._count, thread_name_prefix="fsck")
        self._running: dict[Future[R], T] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exc: object) -> None:
        self._pool.shutdown(cancel_futures=True)

    def submit(self, item: T) -> Iterator[tuple[T, R]]:
        """Let a thread work on an item; yield the results that must be taken before there is room.

        Raises:
            Exception: The work on an earlier item raised it.
        """
        while len(self._running) >= self._count * _WAITING_PER_WORKER:
            yield from self._finished()
        self._running[self._pool.submit(self._work, item)] = item

    def drain(self) -> Iterator[tuple[T, R]]:
        """Wait for all items; yield each result as soon as it is there.

        Raises:
            Exception: The work on an item raised it.
        """
        while self._running:
            yield from self._finished()

    def _finished(self) -> Iterator[tuple[T, R]]:
        done, _ = wait(self._running, return_when=FIRST_COMPLETED)
        for one in done:
            item = self._running.pop(one)
            yield item, one.result()
