"""Items are worked on several at once, and the first error ends all work."""

from __future__ import annotations

import asyncio

import pytest

from remote.pushing.parallel import in_parallel


def test_only_so_many_items_are_worked_on_at_once() -> None:
    running = 0
    most = 0
    done: list[int] = []

    async def act(item: int) -> None:
        nonlocal running, most
        running += 1
        most = max(most, running)
        await asyncio.sleep(0)
        running -= 1
        done.append(item)

    asyncio.run(in_parallel(range(20), act, workers=3))

    assert most == 3
    assert sorted(done) == list(range(20))


def test_the_first_error_cancels_the_others_and_is_raised() -> None:
    ended: list[str] = []

    async def act(item: str) -> None:
        if item == "bad":
            await asyncio.sleep(0)
            raise ValueError(item)
        try:
            await asyncio.Event().wait()
        finally:
            ended.append(item)

    with pytest.raises(ValueError, match="bad"):
        asyncio.run(in_parallel(["waits", "bad"], act, workers=2))

    assert ended == ["waits"]


def test_no_items_need_no_time() -> None:
    async def act(item: object) -> None:
        raise AssertionError(item)

    asyncio.run(in_parallel([], act, workers=4))
