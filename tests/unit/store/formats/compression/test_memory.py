"""The memory budget of decoders."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING

import pytest

from store.formats.compression.memory import DecodersBusy, MemoryBudget

if TYPE_CHECKING:
    from collections.abc import Callable

    from store.formats.compression.memory import MemoryLease


class Idle:
    """A holder that gives its memory back when it is asked."""

    def __init__(self, budget: MemoryBudget, owner: str, size_bytes: int) -> None:
        self.lease = budget.lease(owner, self.give_back)
        self.is_asked = False
        self.lease.require(size_bytes)

    def give_back(self) -> bool:
        self.is_asked = True
        self.lease.release()
        return True


def in_thread(call: Callable[[], None]) -> threading.Thread:
    thread = threading.Thread(target=call, daemon=True)
    thread.start()
    return thread


def waits(lease: MemoryLease) -> bool:
    deadline = time.monotonic() + 10
    while not lease.is_waiting and time.monotonic() < deadline:
        time.sleep(0.01)
    return lease.is_waiting


def test_a_lease_holds_the_most_that_was_required() -> None:
    budget = MemoryBudget(100)
    with budget.lease() as lease:
        for size, held in ((10, 10), (5, 10), (70, 70)):
            lease.require(size)
            assert budget.used_bytes == lease.size_bytes == held
    assert budget.used_bytes == 0


def test_without_memory_a_decoder_is_refused_after_a_time() -> None:
    budget = MemoryBudget(100, wait_s=0.1)
    with budget.lease() as first, budget.lease() as second:
        first.require(60)
        with pytest.raises(DecodersBusy):
            second.require(41)
        assert budget.used_bytes == 60
        second.require(40)


def test_a_decoder_waits_until_another_has_finished() -> None:
    budget = MemoryBudget(100, wait_s=None)
    first, second = budget.lease(), budget.lease()
    first.require(60)
    thread = in_thread(lambda: second.require(100))
    assert waits(second)
    first.release()
    thread.join(10)
    assert second.size_bytes == budget.used_bytes == 100


def test_one_decoder_may_need_more_than_the_budget() -> None:
    budget = MemoryBudget(100, wait_s=0)
    with budget.lease() as lease:
        lease.require(1000)
        with budget.lease() as other, pytest.raises(DecodersBusy):
            other.require(1)


def test_decoders_that_all_wait_for_each_other_go_on_one_by_one() -> None:
    budget = MemoryBudget(100, wait_s=10)
    first, second = budget.lease(), budget.lease()
    first.require(50)
    second.require(50)
    done: list[str] = []

    def grow(lease: MemoryLease, name: str) -> None:
        lease.require(80)
        done.append(name)
        lease.release()

    threads = [in_thread(lambda: grow(first, "a")), in_thread(lambda: grow(second, "b"))]
    for thread in threads:
        thread.join(10)
    assert sorted(done) == ["a", "b"]


def test_an_idle_decoder_gives_its_memory_back() -> None:
    budget = MemoryBudget(100)
    idle = Idle(budget, "a", 90)
    with budget.lease("b") as lease:
        lease.require(20)
        assert idle.is_asked
        assert budget.used_bytes == 20


def test_the_owner_with_the_most_memory_gives_first() -> None:
    budget = MemoryBudget(100)
    greedy = [Idle(budget, "greedy", 30) for _ in range(2)]
    modest = Idle(budget, "modest", 35)
    with budget.lease("new") as lease:
        lease.require(30)
    assert [one.is_asked for one in greedy] == [True, False]
    assert not modest.is_asked


def test_a_holder_that_is_busy_is_passed_over() -> None:
    budget = MemoryBudget(100)
    busy = budget.lease("busy", lambda: False)
    busy.require(60)
    idle = Idle(budget, "idle", 40)
    with budget.lease("new") as lease:
        lease.require(40)
    assert idle.is_asked
    assert busy.size_bytes == 60
