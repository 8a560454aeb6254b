"""The mirror closes connections whose clients stop reading their answers."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, cast

import pytest

from mirror.connections.stalled_clients import cut_off_stalled
from mirror.transfer import client_progress

if TYPE_CHECKING:
    from mirror.connections.connection import Connection


class Progress:
    def __init__(self, *, stalls: bool) -> None:
        self._stalls = stalls

    def raise_if_stalled(self) -> None:
        if self._stalls:
            raise TimeoutError("the client has stalled")


class Client:
    """A connection with unsent bytes, and a client that either reads them or stalls."""

    def __init__(self, *, unsent_bytes: int, stalls: bool) -> None:
        self.unsent_bytes = unsent_bytes
        self._stalls = stalls
        self.watches = 0
        self.is_aborted = False

    def watch_progress(self) -> Progress:
        self.watches += 1
        return Progress(stalls=self._stalls)

    def abort(self) -> None:
        self.is_aborted = True
        self.unsent_bytes = 0


def test_only_stalled_clients_are_cut_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client_progress, "STALL_S", 0.02)
    idle = Client(unsent_bytes=0, stalls=True)
    slow = Client(unsent_bytes=10, stalls=False)
    stalled = Client(unsent_bytes=10, stalls=True)

    async def main() -> None:
        connections = cast("list[Connection]", [idle, slow, stalled])
        task = asyncio.create_task(cut_off_stalled(connections))
        async with asyncio.timeout(60):
            while not stalled.is_aborted:  # noqa: ASYNC110 - the task has no event to wait for
                await asyncio.sleep(0.005)
        await asyncio.sleep(0.02)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(main())
    assert (idle.is_aborted, slow.is_aborted) == (False, False)
    # The watch of a slow client continues, because a new watch would restart its timer.
    assert (idle.watches, slow.watches) == (0, 1)
