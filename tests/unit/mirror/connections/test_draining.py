"""Draining: before the server stops, it waits for busy connections."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, cast

from mirror.connections.draining import drain

if TYPE_CHECKING:
    from aiohttp import web

    from mirror.connections.connection import Connection


class Server:
    """A server that records the steps of aiohttp's shutdown."""

    def __init__(self) -> None:
        self.steps: list[str] = []

    def pre_shutdown(self) -> None:
        self.steps.append("pre_shutdown")

    async def shutdown(self, _timeout_s: float) -> None:
        self.steps.append("shutdown")


class Client:
    """A connection that reports itself as busy for a given number of checks."""

    def __init__(self, *, receives: float = 0, answers: float = 0) -> None:
        self._receives = receives
        self._answers = answers
        self.is_aborted = False

    @property
    def is_receiving(self) -> bool:
        self._receives -= 1
        return self._receives >= 0

    @property
    def is_answering(self) -> bool:
        self._answers -= 1
        return self._answers >= 0

    def abort(self) -> None:
        self.is_aborted = True


def drained(clients: list[Client], grace_s: float) -> Server:
    server = Server()
    connections = cast("list[Connection]", clients)
    asyncio.run(drain(cast("web.Server", server), connections, grace_s))
    return server


def test_busy_connections_may_finish() -> None:
    clients = [Client(), Client(receives=2), Client(answers=2)]
    server = drained(clients, 60.0)
    assert server.steps == ["pre_shutdown", "shutdown"]
    assert [client.is_aborted for client in clients] == [False] * 3


def test_requests_and_answers_are_cut_off_after_the_grace_time() -> None:
    for_ever = float("inf")
    clients = [Client(), Client(receives=for_ever), Client(answers=for_ever)]
    server = drained(clients, 0.01)
    assert server.steps == ["pre_shutdown", "shutdown"]
    assert [client.is_aborted for client in clients] == [False, True, True]
