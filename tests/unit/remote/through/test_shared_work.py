"""Work that runs once for several clients."""

from __future__ import annotations

import asyncio

import pytest

from remote.through.shared_work import SharedWork


def test_equal_work_runs_once_and_again_after_its_end() -> None:
    runs: list[str] = []

    async def work() -> None:
        shared: SharedWork[str] = SharedWork()

        async def run(name: str) -> str:
            runs.append(name)
            await asyncio.sleep(0)
            return name

        found = await asyncio.gather(
            *(shared.result(name, lambda name=name: run(name)) for name in ("a", "b", "a"))  # type: ignore[misc]
        )
        assert found == ["a", "b", "a"]
        assert sorted(runs) == ["a", "b"]
        assert await shared.result("a", lambda: run("a")) == "a"

    asyncio.run(work())
    assert sorted(runs) == ["a", "a", "b"]


def test_work_goes_on_without_the_client_that_began_it() -> None:
    async def work() -> None:
        shared: SharedWork[int] = SharedWork()
        go = asyncio.Event()

        async def run() -> int:
            await go.wait()
            return 7

        first = asyncio.create_task(shared.result(1, run))
        second = asyncio.create_task(shared.result(1, run))
        await asyncio.sleep(0)
        first.cancel()
        await asyncio.wait({first})
        go.set()
        assert await second == 7

    asyncio.run(work())


def test_an_error_reaches_all_and_is_not_remembered() -> None:
    async def work() -> None:
        shared: SharedWork[int] = SharedWork()

        async def fail() -> int:
            raise ValueError("no")

        async def succeed() -> int:
            return 1

        found = await asyncio.gather(
            shared.result(1, fail), shared.result(1, succeed), return_exceptions=True
        )
        assert [type(one) for one in found] == [ValueError, ValueError]
        assert await shared.result(1, succeed) == 1

    asyncio.run(work())


def test_the_end_cancels_what_runs() -> None:
    async def work() -> None:
        shared: SharedWork[None] = SharedWork()
        task = shared.start(1, asyncio.Event().wait)  # type: ignore[arg-type]
        await asyncio.sleep(0)
        await shared.close()
        assert task.cancelled()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(work())
