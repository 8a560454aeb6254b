"""Blocking calls that asynchronous tasks run in threads."""

from __future__ import annotations

import asyncio
import time

import pytest

from tests.support.waiting import until_in_loop


def test_cancelled_task_waits_for_its_thread() -> None:
    """If a thread outlived its task, the thread could write to a closed and reused descriptor."""
    from concurrent.futures import ThreadPoolExecutor

    from mirror.transfer.threads import run

    begun: list[bool] = []
    ended: list[bool] = []

    def slow() -> None:
        begun.append(True)
        time.sleep(0.3)
        ended.append(True)

    async def main(pool: ThreadPoolExecutor) -> None:
        task = asyncio.create_task(run(pool, slow))
        await until_in_loop(lambda: begun)
        task.cancel()
        await asyncio.sleep(0.05)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert ended == [True]

    with ThreadPoolExecutor(1) as pool:
        asyncio.run(main(pool))
