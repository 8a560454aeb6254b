"""Threads get the lock in their order; a thread that gives up leaves nothing behind."""

from __future__ import annotations

import fcntl
import os
import threading
import time
from typing import TYPE_CHECKING

import pytest

from store.files.lock_queue import LockQueue
from tests.support.waiting import PATIENCE_S, until

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def queue(tmp_path: Path) -> LockQueue:
    return LockQueue(lambda: os.open(tmp_path / "lock", os.O_RDWR | os.O_CREAT))


def ignore() -> None:
    """Report no wait."""


def acquire(queue: LockQueue, limit_s: float = PATIENCE_S) -> int | None:
    return queue.acquire(limit_s, ignore, 1)


def test_a_free_lock_is_taken_without_a_helper(queue: LockQueue) -> None:
    before = threading.active_count()
    descriptor = acquire(queue)
    assert descriptor is not None
    assert queue.try_now() is None
    os.close(descriptor)
    assert threading.active_count() == before


def test_threads_get_the_lock_in_the_order_of_their_requests(queue: LockQueue) -> None:
    held, order = queue.try_now(), list[int]()
    assert held is not None

    def take(number: int) -> None:
        descriptor = acquire(queue)
        assert descriptor is not None
        order.append(number)
        os.close(descriptor)

    threads = [threading.Thread(target=take, args=(number,)) for number in range(5)]
    for number, one in enumerate(threads):
        one.start()
        until(lambda number=number: len(queue._tickets) == number + 1)  # type: ignore[misc]
    os.close(held)
    for one in threads:
        one.join(PATIENCE_S)
    assert order == [0, 1, 2, 3, 4]


def test_a_thread_that_gave_up_does_not_keep_the_lock(queue: LockQueue) -> None:
    held = queue.try_now()
    assert held is not None
    assert acquire(queue, 0.05) is None
    assert queue.stuck_for() > 0
    os.close(held)
    until(lambda: queue.stuck_for() == 0)

    def take() -> bool:
        descriptor = queue.try_now()
        if descriptor is not None:
            os.close(descriptor)
        return descriptor is not None

    until(take)


def test_a_wait_is_reported_once_and_only_after_a_while(queue: LockQueue) -> None:
    held, told = queue.try_now(), list[float]()
    assert held is not None
    began = time.monotonic()
    assert queue.acquire(0.2, lambda: told.append(time.monotonic() - began), 0.1) is None
    assert len(told) == 1
    assert told[0] >= 0.1
    os.close(held)


def test_an_interrupted_thread_releases_the_lock_that_it_was_given(queue: LockQueue) -> None:
    held = queue.try_now()
    assert held is not None

    def interrupt() -> None:
        # The lock becomes free, and the signal comes before the thread has seen it.
        os.close(held)
        until(lambda: not queue._tickets)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        queue.acquire(PATIENCE_S, interrupt, 0)
    descriptor = queue.try_now()
    assert descriptor is not None
    os.close(descriptor)


def test_an_error_of_the_helper_reaches_the_thread_that_waits(
    queue: LockQueue, monkeypatch: pytest.MonkeyPatch
) -> None:
    held, real = queue.try_now(), fcntl.flock
    assert held is not None

    def refuse(descriptor: int, operation: int) -> None:
        if not operation & fcntl.LOCK_NB:
            raise OSError(5, "Input/output error")
        real(descriptor, operation)

    monkeypatch.setattr(fcntl, "flock", refuse)
    with pytest.raises(OSError, match="Input/output"):
        acquire(queue)
    os.close(held)


def test_without_a_thread_the_wait_fails_and_the_next_one_tries_again(
    queue: LockQueue, monkeypatch: pytest.MonkeyPatch
) -> None:
    held = queue.try_now()
    assert held is not None
    with monkeypatch.context() as patch:

        def refuse(_thread: threading.Thread) -> None:
            raise RuntimeError("can't start new thread")

        patch.setattr(threading.Thread, "start", refuse)
        with pytest.raises(RuntimeError):
            acquire(queue)
    assert acquire(queue, 0.05) is None
    os.close(held)
