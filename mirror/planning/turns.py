"""Turns of clients at work that is scarce: nobody takes all turns, and waiting has an end."""

from __future__ import annotations

import asyncio
from collections import Counter
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, final

from mirror.fair_queue import FairQueue

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from mirror.planning.departure import Departure


@final
class Busy(Exception):
    """Too many requests wait.

    Attributes:
        of_client: Whether the client has too many requests of its own.
    """

    def __init__(self, *, of_client: bool) -> None:
        super().__init__("too many requests wait")
        self.of_client = of_client


@final
@dataclass(eq=False, slots=True)
class _Waiter:
    client: str
    granted: asyncio.Future[None]


@final
class Turns:
    """Turns at scarce work. A client has one turn at a time, and clients are served in rotation.

    Args:
        running: How many turns there are.
        waiting: How many requests may wait. A further request pushes out the newest request of the
            client that has most requests in the queue.
        waiting_each: How many requests of one client may wait.
    """

    def __init__(self, running: int, *, waiting: int, waiting_each: int) -> None:
        self._free = running
        self._waiting_each = waiting_each
        self._running: set[str] = set()
        self._waiters: Counter[str] = Counter()
        self._queue: FairQueue[_Waiter] = FairQueue(waiting)

    @asynccontextmanager
    async def turn(self, client: str, departure: Departure) -> AsyncIterator[None]:
        """Wait for a turn, and hold it until the block ends.

        Args:
            client: The user or the network that asks.
            departure: Ends the wait when the client leaves.

        Raises:
            Busy: Too many requests wait.
            ClientLeft: The client has left.
        """
        await self._take(client, departure)
        try:
            yield
        finally:
            self._end(client)

    async def _take(self, client: str, departure: Departure) -> None:
        departure.check()
        if self._free and client not in self._running:
            self._start(client)
            return
        if self._waiters[client] >= self._waiting_each:
            raise Busy(of_client=True)
        waiter = _Waiter(client, asyncio.get_running_loop().create_future())
        self._waiters[client] += 1
        pushed_out = self._queue.put((client,), waiter)
        if pushed_out is not None and not pushed_out.granted.done():
            pushed_out.granted.set_exception(Busy(of_client=False))
        departure.call(lambda: waiter.granted.done() or waiter.granted.cancel())
        try:
            await waiter.granted
        except asyncio.CancelledError:
            if waiter.granted.done() and not waiter.granted.cancelled():
                # The turn was granted in the same round of the loop in which the request ended.
                self._end(client)
            departure.check()
            raise
        finally:
            waiter.granted.cancel()
            self._waiters[client] -= 1
            self._waiters += Counter()

    def _start(self, client: str) -> None:
        self._free -= 1
        self._running.add(client)

    def _end(self, client: str) -> None:
        self._running.discard(client)
        self._free += 1
        self._grant()

    def _grant(self) -> None:
        while self._free:
            waiter = self._queue.take(
                lambda one: one.granted.done() or one.client not in self._running
            )
            if waiter is None:
                return
            if not waiter.granted.done():
                self._start(waiter.client)
                waiter.granted.set_result(None)
