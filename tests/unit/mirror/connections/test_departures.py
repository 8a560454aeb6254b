"""Connections that end while the server works for their clients."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, cast

import pytest

from mirror.connections import departures
from mirror.connections.connection import Connection
from mirror.connections.departures import watched

if TYPE_CHECKING:
    from aiohttp import web


class Transport:
    """A transport that notes what is written."""

    def __init__(self, connection: Connection | None = None) -> None:
        self.connection = connection
        self.closing = False
        self.written: list[bytes] = []

    def is_closing(self) -> bool:
        return self.closing

    def get_protocol(self) -> object:
        return self.connection

    def write(self, data: bytes) -> None:
        self.written.append(data)


class Request:
    """A request over a transport."""

    def __init__(self, transport: Transport | None, version: tuple[int, int] = (1, 1)) -> None:
        self.transport = transport
        self.version = version


@pytest.fixture(autouse=True)
def quick_polls(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(departures, "POLL_S", 0.001)


def as_request(request: Request) -> web.Request:
    return cast("web.Request", request)


@pytest.mark.parametrize("how", ["lost", "closing"])
def test_a_lost_connection_is_noticed(how: str) -> None:
    async def main() -> None:
        request = Request(Transport())
        async with watched(as_request(request)) as departure:
            await asyncio.sleep(0.02)
            assert not departure.has_left
            if how == "lost":
                request.transport = None
            elif request.transport is not None:
                request.transport.closing = True
            left = asyncio.Event()
            departure.call(left.set)
            await left.wait()

    asyncio.run(main())


def test_the_watch_ends_with_its_block() -> None:
    async def main() -> None:
        request = Request(Transport())
        async with watched(as_request(request)) as departure:
            pass
        request.transport = None
        await asyncio.sleep(0.02)
        assert not departure.has_left

    asyncio.run(main())


def test_a_cancelled_request_counts_as_left() -> None:
    async def main() -> None:
        found = []
        with pytest.raises(asyncio.CancelledError):
            async with watched(as_request(Request(Transport()))) as departure:
                found.append(departure)
                raise asyncio.CancelledError
        assert found[0].has_left

    asyncio.run(main())


@pytest.mark.parametrize(("version", "probes"), [((1, 1), 1), ((1, 0), 0)])
def test_a_half_closed_connection_is_probed(version: tuple[int, int], probes: int) -> None:
    """A client of HTTP/1.0 knows no interim responses."""

    async def main() -> None:
        connection = Connection.__new__(Connection)
        connection.has_ended = True
        transport = Transport(connection)
        async with watched(as_request(Request(transport, version))) as departure:
            await asyncio.sleep(0.03)
            assert not departure.has_left
        assert transport.written == [b"HTTP/1.1 100 Continue\r\n\r\n"] * probes

    asyncio.run(main())


def test_an_open_connection_is_not_probed() -> None:
    async def main() -> None:
        connection = Connection.__new__(Connection)
        connection.has_ended = False
        transport = Transport(connection)
        async with watched(as_request(Request(transport))):
            await asyncio.sleep(0.02)
        assert transport.written == []

    asyncio.run(main())
