from __future__ import annotations

import threading

import pytest

from store.maintenance.fsck.workers import Workers


def test_results_come_with_their_items_and_the_queue_is_short() -> None:
    started: list[int] = []
    room = threading.Event()

    def work(item: int) -> int:
        started.append(item)
        room.wait(10)
        return item * item

    with Workers(work, 2) as workers:
        found = [pair for item in range(4) for pair in workers.submit(item)]
        # Four items wait or run: a fifth waits for room.
        assert found == []
        room.set()
        found += workers.submit(4)
        assert len(found) >= 1
        found += workers.drain()
    assert sorted(found) == [(item, item * item) for item in range(5)]


def test_an_error_of_the_work_is_raised() -> None:
    def fail(_item: int) -> None:
        raise ValueError("no")

    with Workers(fail) as workers:
        assert list(workers.submit(1)) == []
        with pytest.raises(ValueError, match="no"):
            list(workers.drain())
