"""Connections that end while the server works for their clients.

A handler learns that its client has left when it writes the answer. Work that takes long before
that, such as the plan of an archive, asks a `Departure` from time to time.
"""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING, Final

from mirror.connections.connection import Connection
from mirror.planning.departure import Departure

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from aiohttp import web

POLL_S: Final = 0.1
"""How often a connection is looked at, in seconds."""

_PROBE_POLLS: Final = 50
"""How many polls after a probe the next one is sent."""

_PROBE: Final = b"HTTP/1.1 100 Continue\r\n\r\n"
"""An interim response. Every client of HTTP/1.1 ignores it (RFC 9110 section 15.2)."""


@asynccontextmanager
async def watched(request: web.Request) -> AsyncIterator[Departure]:
    """Watch the client of a request until the block ends. The block must not send anything.

    A client that has closed only its sending side still waits for its answer, and looks like a
    client that has closed both. An interim response shows the difference: the system of a client
    that has left refuses it, and the connection is lost.
    """
    departure = Departure()
    watching = asyncio.create_task(_watch(request, departure))
    try:
        yield departure
    except asyncio.CancelledError:
        departure.leave()
        raise
    finally:
        watching.cancel()
        with suppress(asyncio.CancelledError):
            await watching


async def _watch(request: web.Request, departure: Departure) -> None:
    polls = 0
    while not departure.has_left:
        await asyncio.sleep(POLL_S)
        transport = request.transport
        if transport is None or transport.is_closing():
            departure.leave()
        elif _has_ended(transport) and request.version >= (1, 1):
            if polls % _PROBE_POLLS == 0:
                transport.write(_PROBE)
            polls += 1


def _has_ended(transport: asyncio.Transport) -> bool:
    connection = transport.get_protocol()
    return isinstance(connection, Connection) and connection.has_ended
