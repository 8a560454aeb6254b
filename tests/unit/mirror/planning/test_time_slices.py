"""Threads that take turns at the processor."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import pytest

from mirror.planning.departure import ClientLeft, Departure
from mirror.planning.time_slices import TimeSlices
from tests.support.clocks import StillClock
from tests.support.waiting import until

if TYPE_CHECKING:
    from collections.abc import Callable


def keep_on() -> None:
    """Go on."""


def test_a_thread_alone_keeps_its_turn() -> None:
    clock = StillClock()
    slices = TimeSlices(1.0, clock)
    for _ in range(2):
        with slices.turn(keep_on) as check:
            clock.now += 5
            check()


def test_a_turn_is_handed_on_when_the_slice_is_over() -> None:
    """A thread with little work ends although a thread with much work came first."""
    clock = StillClock()
    slices = TimeSlices(1.0, clock)
    order: list[str] = []
    short = threading.Thread(target=lambda: _note(slices, order))
    with slices.turn(keep_on) as check:
        short.start()
        until(lambda: len(slices._waiting) == 1)
        check()
        order.append("within the slice")
        clock.now += 2
        check()
        order.append("after the slice")
    short.join()
    assert order == ["within the slice", "short", "after the slice"]


def _note(slices: TimeSlices, order: list[str]) -> None:
    with slices.turn(keep_on):
        order.append("short")


def test_threads_are_served_in_the_order_in_which_they_wait() -> None:
    slices = TimeSlices()
    order: list[int] = []

    def work(number: int) -> Callable[[], None]:
        def run() -> None:
            with slices.turn(keep_on):
                order.append(number)

        return run

    threads = [threading.Thread(target=work(number)) for number in range(4)]
    with slices.turn(keep_on):
        for number, thread in enumerate(threads, start=1):
            thread.start()
            until(lambda number=number: len(slices._waiting) == number)  # type: ignore[misc]
    for thread in threads:
        thread.join()
    assert order == [0, 1, 2, 3]


def test_a_client_that_leaves_does_not_wait_longer() -> None:
    slices = TimeSlices()
    departure = Departure()
    ended: list[type[BaseException]] = []

    def wait() -> None:
        try:
            with slices.turn(departure.check):
                pass
        except ClientLeft as exc:
            ended.append(type(exc))

    with slices.turn(keep_on):
        thread = threading.Thread(target=wait)
        thread.start()
        departure.leave()
        thread.join()
        assert ended == [ClientLeft]
    with slices.turn(keep_on):
        pass


def test_work_that_ends_while_it_waits_for_the_next_slice_gives_nothing_back() -> None:
    clock = StillClock()
    slices = TimeSlices(1.0, clock)
    departure = Departure()
    held, done = threading.Event(), threading.Event()

    def hold() -> None:
        with slices.turn(keep_on):
            held.set()
            done.wait()

    thread = threading.Thread(target=hold)
    with pytest.raises(ClientLeft), slices.turn(departure.check) as check:
        thread.start()
        until(lambda: len(slices._waiting) == 1)
        clock.now += 2
        threading.Timer(0.05, departure.leave).start()
        check()
    assert held.is_set()
    assert slices._holder is not None
    done.set()
    thread.join()
    assert slices._holder is None
