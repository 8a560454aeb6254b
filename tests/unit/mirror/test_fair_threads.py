"""Threads that serve clients in turn."""

from __future__ import annotations

import contextvars
import threading
from typing import TYPE_CHECKING

import pytest

from mirror.current_client import Client, set_current_client
from mirror.fair_threads import FairThreads
from tests.support.waiting import PATIENCE_S

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from concurrent.futures import Future


@pytest.fixture
def threads() -> Iterator[FairThreads]:
    made = FairThreads(1, "test", skips_departed=True)
    yield made
    made.shutdown(cancel_futures=True)


def submit(
    threads: FairThreads,
    network: str,
    call: Callable[[], object],
    *,
    has_left: Callable[[], bool] = lambda: False,
) -> Future[object]:
    """Submit a call for a client."""

    def run() -> Future[object]:
        set_current_client(Client((network,), has_left))
        return threads.submit(call)

    return contextvars.copy_context().run(run)


def test_a_client_with_many_calls_does_not_delay_another(threads: FairThreads) -> None:
    go, order = threading.Event(), list[str]()
    first = submit(threads, "busy", lambda: go.wait(PATIENCE_S))
    calls = [submit(threads, "busy", lambda: order.append("busy")) for _ in range(100)]
    calls.append(submit(threads, "other", lambda: order.append("other")))
    go.set()
    for call in (first, *calls):
        call.result(PATIENCE_S)
    assert order.index("other") <= 1
    assert len(order) == 101


def test_calls_of_a_client_that_has_left_are_not_run(threads: FairThreads) -> None:
    go, order = threading.Event(), list[str]()
    first = submit(threads, "busy", lambda: go.wait(PATIENCE_S))
    gone = submit(threads, "gone", lambda: order.append("gone"), has_left=lambda: True)
    last = submit(threads, "here", lambda: order.append("here"))
    go.set()
    with pytest.raises(ConnectionResetError):
        gone.result(PATIENCE_S)
    last.result(PATIENCE_S)
    assert first.result() is True
    assert order == ["here"]


def test_an_error_reaches_the_caller_and_the_thread_goes_on(threads: FairThreads) -> None:
    with pytest.raises(ZeroDivisionError):
        submit(threads, "a", lambda: 1 // 0).result(PATIENCE_S)
    assert submit(threads, "a", lambda: 5).result(PATIENCE_S) == 5


def test_shutdown_drops_the_calls_that_wait() -> None:
    threads, go = FairThreads(1, "test"), threading.Event()
    first = submit(threads, "a", lambda: go.wait(PATIENCE_S))
    waiting = submit(threads, "a", lambda: 1)
    ending = threading.Thread(target=threads.shutdown, kwargs={"cancel_futures": True})
    ending.start()
    while not waiting.cancelled():
        pass
    go.set()
    ending.join(PATIENCE_S)
    assert first.result() is True
