"""Work that repeats: failures are logged, and a cancelled task waits for its thread."""

from __future__ import annotations

import asyncio
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest

from mirror.jobs.periodic import attempt, repeat
from store.errors import Unavailable
from tests.support.waiting import PATIENCE_S, until_in_loop

if TYPE_CHECKING:
    from collections.abc import Callable


def test_a_failure_is_logged_and_the_work_is_done_again(caplog: pytest.LogCaptureFixture) -> None:
    done: list[int] = []

    def work() -> None:
        done.append(1)
        if len(done) == 1:
            raise Unavailable("another server does it")
        if len(done) == 2:
            raise ZeroDivisionError

    async def main(executor: ThreadPoolExecutor) -> None:
        task = asyncio.create_task(
            repeat(executor, work, lambda: None, "work", first_s=0, pause_s=0)
        )
        await until_in_loop(lambda: len(done) > 2)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    with ThreadPoolExecutor(1) as executor, caplog.at_level("INFO"):
        asyncio.run(main(executor))
    assert "cannot work now: another server does it" in caplog.text
    assert [one.levelname for one in caplog.records if one.exc_info] == ["ERROR"]


def test_a_cancelled_task_stops_the_work_and_waits_for_it() -> None:
    begun, stopped, ended = threading.Event(), threading.Event(), threading.Event()

    def work() -> None:
        begun.set()
        assert stopped.wait(PATIENCE_S)
        ended.set()

    async def main(executor: ThreadPoolExecutor, stop: Callable[[], None]) -> None:
        task = asyncio.create_task(attempt(executor, work, stop, "work"))
        await until_in_loop(begun.is_set)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert ended.is_set()

    with ThreadPoolExecutor(1) as executor:
        asyncio.run(main(executor, stopped.set))
