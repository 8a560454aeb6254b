"""Turns of clients at scarce work."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING

import pytest

from mirror.planning.departure import ClientLeft, Departure
from mirror.planning.turns import Busy, Turns

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable


class Clients:
    """Clients that take a turn, note it, and hold it until they are told to end it."""

    def __init__(self, turns: Turns) -> None:
        self.turns = turns
        self.running: list[str] = []
        self.refused: list[bool] = []
        self._ends: dict[str, asyncio.Event] = {}

    def start(self, name: str, departure: Departure | None = None) -> asyncio.Task[None]:
        """Start a request; the client's name is the part before the first dash."""
        self._ends[name] = asyncio.Event()
        return asyncio.create_task(self._run(name, departure or Departure()))

    async def _run(self, name: str, departure: Departure) -> None:
        try:
            async with self.turns.turn(name.partition("-")[0], departure):
                self.running.append(name)
                await self._ends[name].wait()
                self.running.remove(name)
        except Busy as exc:
            self.refused.append(exc.of_client)

    async def end(self, name: str) -> None:
        self._ends[name].set()
        await settle()


async def settle() -> None:
    for _ in range(10):
        await asyncio.sleep(0)


def run(main: Callable[[], Awaitable[None]]) -> None:
    async def all_of_it() -> None:
        await main()

    asyncio.run(all_of_it())


def test_one_client_has_one_turn_at_a_time() -> None:
    async def main() -> None:
        clients = Clients(Turns(2, waiting=8, waiting_each=8))
        for name in ("a-1", "a-2", "a-3", "b-1", "c-1"):
            clients.start(name)
        await settle()
        assert clients.running == ["a-1", "b-1"]
        await clients.end("b-1")
        assert clients.running == ["a-1", "c-1"]
        await clients.end("c-1")
        assert clients.running == ["a-1"]
        for number in (1, 2, 3):
            assert clients.running == [f"a-{number}"]
            await clients.end(f"a-{number}")
        assert clients.running == []

    run(main)


def test_a_client_may_not_wait_with_many_requests() -> None:
    async def main() -> None:
        clients = Clients(Turns(1, waiting=8, waiting_each=2))
        for number in range(5):
            clients.start(f"a-{number}")
        await settle()
        assert clients.refused == [True, True]
        for number in range(3):
            await clients.end(f"a-{number}")
        assert clients.running == []
        clients.start("a-9")
        await settle()
        assert clients.running == ["a-9"]
        await clients.end("a-9")

    run(main)


def test_a_full_queue_pushes_out_the_client_that_waits_with_most_requests() -> None:
    async def main() -> None:
        clients = Clients(Turns(1, waiting=3, waiting_each=3))
        for name in ("x", "a-1", "a-2", "a-3", "b-1"):
            clients.start(name)
        await settle()
        assert clients.refused == [False]
        await clients.end("x")
        for name in ("a-1", "b-1", "a-2"):
            assert clients.running == [name]
            await clients.end(name)
        assert clients.running == []

    run(main)


@pytest.mark.parametrize("is_cancelled", [False, True])
def test_a_client_that_leaves_gives_up_its_place(*, is_cancelled: bool) -> None:
    async def main() -> None:
        clients = Clients(Turns(1, waiting=8, waiting_each=8))
        departure = Departure()
        clients.start("x")
        leaving = clients.start("a", departure)
        clients.start("b")
        await settle()
        if is_cancelled:
            leaving.cancel()
        else:
            departure.leave()
        with pytest.raises(asyncio.CancelledError if is_cancelled else ClientLeft):
            await leaving
        await clients.end("x")
        assert clients.running == ["b"]
        await clients.end("b")
        async with AsyncExitStack() as stack:
            await stack.enter_async_context(clients.turns.turn("c", Departure()))

    run(main)


def test_a_turn_that_was_granted_to_a_cancelled_request_is_passed_on() -> None:
    async def main() -> None:
        clients = Clients(Turns(1, waiting=8, waiting_each=8))
        clients.start("x")
        leaving = clients.start("a")
        clients.start("b")
        await settle()
        clients._ends["x"].set()
        # Let the turn be granted, and cancel its request before it runs again.
        while not any(waiter.granted.done() for waiter in clients.turns._queue) and leaving:
            await asyncio.sleep(0)
            if "x" not in clients.running:
                break
        leaving.cancel()
        await asyncio.wait([leaving])
        await settle()
        assert clients.running == ["b"]
        await clients.end("b")

    run(main)
