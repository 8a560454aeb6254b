"""A client that has said all it has to say may still be waiting for the answer.

TCP can be closed in one direction alone, and so can TLS; RFC 9112 section 9.6 counts on it.
aiohttp's protocol takes the end of what a client sends for the end of the connection, and drops the
answer. The one here stands in front of it and keeps the connection while an answer is due. Who
stops in the middle of a request gets none.
"""

from __future__ import annotations

import asyncio
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final, final

from mirror.connections.tls import HalfClosing
from mirror.transfer.client_progress import ClientProgress, unconfirmed_bytes
from store.model.limits import MIB

if TYPE_CHECKING:
    from collections.abc import Iterator

    from aiohttp import web

POLL_INTERVAL_S: Final = 0.05
_ROUNDS: Final = 8
"""A request that came together with the end has reached its handler by then.

After that time, and after so many rounds of the loop.

It takes three rounds. Time alone says nothing: on a busy machine it may be over before the loop has
had its next round, which begins with what is due. """

BUFFER_BYTES: Final = MIB // 4
"""What one read brings at most."""
_SMALL_BYTES: Final = MIB // 16
SMALL_CROWD: Final = 64


@final
class Connection(asyncio.BufferedProtocol):
    """What aiohttp makes of a connection, but for its end.

    Args:
        protocol: aiohttp's. those_open: While it is open, it is one of them. buffer: Where what is
            read stands until the protocol has it. All may have the same one: nothing stays there.
    """

    def __init__(
        self, protocol: web.RequestHandler, connections: set[Connection], buffer: memoryview
    ) -> None:
        self._protocol = protocol
        self._those_open = connections
        self._buffer = buffer
        self._transport: asyncio.Transport | None = None
        self._request: web.Request | None = None
        self._ending: asyncio.Handle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Part of `asyncio.BufferedProtocol`."""
        self._those_open.add(self)
        self._transport = transport  # type: ignore[assignment] # a stream's, whatever its class (uvloop's is none of asyncio's)
        encrypted = transport.get_extra_info("ssl_object")
        if isinstance(encrypted, HalfClosing):
            encrypted.on_end = self._end_soon
        self._protocol.connection_made(transport)

    def connection_lost(self, exc: Exception | None) -> None:
        """Part of `asyncio.BufferedProtocol`."""
        self._those_open.discard(self)
        self._transport = None
        self._protocol.connection_lost(exc)

    def get_buffer(self, sizehint: int) -> memoryview:  # noqa: ARG002 - asyncio's signature
        """Part of `asyncio.BufferedProtocol`.

        Each connection may have one read more than its client should have sent: many get smaller
        ones.
        """
        return self._buffer if len(self._those_open) <= SMALL_CROWD else self._buffer[:_SMALL_BYTES]

    def buffer_updated(self, nbytes: int) -> None:
        """Part of `asyncio.BufferedProtocol`."""
        self._protocol.data_received(bytes(self._buffer[:nbytes]))

    def pause_writing(self) -> None:
        """Part of `asyncio.BufferedProtocol`."""
        self._protocol.pause_writing()

    def resume_writing(self) -> None:
        """Part of `asyncio.BufferedProtocol`."""
        self._protocol.resume_writing()

    def eof_received(self) -> bool:
        """Part of `asyncio.BufferedProtocol`: whether the connection stays open.

        Under TLS the end of TCP is the end of all.
        """
        if self._transport is None or self._transport.get_extra_info("sslcontext") is not None:
            return False
        self._end_soon()
        return True

    def _end_soon(self) -> None:
        if self._ending is not None:
            # One that fires between two requests would take the second for none.
            self._ending.cancel()
        self._ending = asyncio.get_running_loop().call_later(POLL_INTERVAL_S, self._end)

    def _end(self, rounds: int = _ROUNDS) -> None:
        if rounds:
            self._ending = asyncio.get_running_loop().call_soon(self._end, rounds - 1)
            return
        # What came whole is answered, and so is what came behind it (RFC 9112 section 9.3.2):
        # aiohttp drops that when it is told to close.
        if self._transport is not None and (self._request is None or self.is_receiving):
            self._transport.close()

    @property
    def is_receiving(self) -> bool:
        """Whether the rest of a request is still to come."""
        return self._request is not None and not self._request.content.is_eof()

    @property
    def is_answering(self) -> bool:
        """Whether an answer is due, or has not gone yet."""
        return self._transport is not None and (self._request is not None or self.unsent_bytes > 0)

    @property
    def unsent_bytes(self) -> int:
        """What waits for the client to take it.

        Of TLS the kernel is asked as well: the transport below keeps what it has encrypted to
        itself.
        """
        if self._transport is None:
            return 0
        waiting = self._transport.get_write_buffer_size()
        if not waiting and self._transport.get_extra_info("sslcontext") is not None:
            return unconfirmed_bytes(self._transport.get_extra_info("socket"))
        return waiting

    def taking(self) -> ClientProgress:
        """Looks whether the client takes something, from now on."""
        return ClientProgress(
            None if self._transport is None else self._transport.get_extra_info("socket")
        )

    def abort(self) -> None:
        """End it at once."""
        if self._transport is not None:
            self._transport.abort()

    def begin(self, request: web.Request) -> None:
        """An answer to ``request`` is due."""
        self._request = request

    def end(self) -> None:
        """It is given."""
        self._request = None
        if self._ending is not None:
            self._end_soon()


@contextmanager
def answering(request: web.Request) -> Iterator[None]:
    """Meanwhile an answer is due, so that the connection is kept."""
    connection = None if request.transport is None else request.transport.get_protocol()
    if not isinstance(connection, Connection):
        # Another server stands before the application.
        yield
        return
    connection.begin(request)
    try:
        yield
    finally:
        connection.end()
