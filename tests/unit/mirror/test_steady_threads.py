from __future__ import annotations

import threading

import pytest

from mirror.steady_threads import SteadyThreads
from tests.support.waiting import PATIENCE_S


def refuse(_thread: threading.Thread) -> None:
    raise RuntimeError("can't start new thread")


def test_calls_are_made_by_the_first_thread_if_no_more_start(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    pool, go = SteadyThreads(4, "test"), threading.Event()
    monkeypatch.setattr(threading.Thread, "start", refuse)
    first = pool.submit(go.wait, PATIENCE_S)
    others = [pool.submit(threading.get_ident) for _ in range(10)]
    go.set()
    assert first.result(PATIENCE_S)
    assert len({one.result(PATIENCE_S) for one in others}) == 1
    pool.shutdown()


def test_a_pool_without_a_first_thread_is_an_error_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(threading.Thread, "start", refuse)
    with pytest.raises(RuntimeError, match="can't start new thread"):
        SteadyThreads(4, "test")


def test_the_threads_have_the_name_of_the_pool() -> None:
    pool = SteadyThreads(1, "test")
    assert pool.submit(lambda: threading.current_thread().name).result(PATIENCE_S) == "test_0"
    pool.shutdown()
