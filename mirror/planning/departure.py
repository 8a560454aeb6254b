"""Whether a client has left, so that work for it can end."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import TYPE_CHECKING, TypeVar, final

from mirror.transfer.threads import finished, run

if TYPE_CHECKING:
    from collections.abc import Callable
    from concurrent.futures import Executor

T = TypeVar("T")


class ClientLeft(ConnectionError):
    """The client has closed its connection before its answer was ready."""


@final
class Departure:
    """Whether a client has left. Threads may ask at any time."""

    def __init__(self) -> None:
        self.has_left = False
        self._calls: list[Callable[[], object]] = []

    def check(self) -> None:
        """Raise if the client has left.

        Raises:
            ClientLeft: The client has left.
        """
        if self.has_left:
            raise ClientLeft("the client has closed the connection")

    def call(self, on_leave: Callable[[], object]) -> None:
        """Call a function when the client leaves; at once if it has left."""
        if self.has_left:
            on_leave()
        else:
            self._calls.append(on_leave)

    def leave(self) -> None:
        """Note that the client has left. Only the event loop may call this method."""
        if not self.has_left:
            self.has_left = True
            for one in self._calls:
                one()


async def run_until_left(
    pool: Executor,
    departure: Departure,
    call: Callable[[], T],
    discard: Callable[[T], object],
) -> T:
    """Call a function in a thread of ``pool``, and return the function's result.

    Args:
        pool: The threads.
        departure: The function asks it from time to time, so that a cancelled task ends soon.
        call: The function.
        discard: Called in a thread of ``pool`` with the result if the task was cancelled.
    """
    future = asyncio.get_running_loop().run_in_executor(pool, call)
    try:
        return await asyncio.shield(future)
    except asyncio.CancelledError:
        departure.leave()
        with suppress(ClientLeft):
            await run(pool, discard, await finished(future))
        raise
