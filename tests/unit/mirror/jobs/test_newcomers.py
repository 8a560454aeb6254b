"""The leader looks whether other processes have stored images."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from mirror.jobs.newcomers import Newcomers
from store import Store
from tests.support.images import A, B
from tests.support.stored_images import put_image
from tests.support.waiting import until_in_loop

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine
    from pathlib import Path


@pytest.fixture
def run(store: Store, monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    monkeypatch.setattr("mirror.jobs.newcomers.INTERVAL", timedelta(seconds=0.01))

    def call(steps: Callable[[list[str]], Coroutine[None, None, None]]) -> None:
        told: list[str] = []

        async def main() -> None:
            with ThreadPoolExecutor(1) as reads:
                job = Newcomers(store, reads, lambda: told.append("new"))
                task = asyncio.create_task(job.run())
                await steps(told)
                task.cancel()
                with pytest.raises(asyncio.CancelledError):
                    await task

        asyncio.run(main())

    return call


def test_new_images_of_another_process_are_noticed_once(
    run: Callable[..., None], store: Store, root: Path
) -> None:
    locks = store.locks

    async def steps(told: list[str]) -> None:
        await until_in_loop(lambda: told == ["new"])
        with Store.open(root) as other:
            put_image(other, A, tags=("x:1",))
            await until_in_loop(lambda: len(told) > 1)
            # The same process stays the one that looks, and says nothing twice.
            assert locks.lock_task("verify") is None
            put_image(other, B, tags=())
        count = len(told)
        await until_in_loop(lambda: len(told) > count)
        count = len(told)
        await asyncio.sleep(0.1)
        assert len(told) == count

    run(steps)
    lock = locks.lock_task("verify")
    assert lock is not None
    lock.release()


def test_one_server_of_a_store_looks(run: Callable[..., None], store: Store) -> None:
    lock = store.locks.lock_task("verify")
    assert lock is not None

    async def steps(told: list[str]) -> None:
        await asyncio.sleep(0.1)
        assert told == []
        lock.release()
        await until_in_loop(lambda: told == ["new"])

    run(steps)
