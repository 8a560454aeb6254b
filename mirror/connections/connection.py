"""Connections that stay open for their answer when the client has closed its sending side.

TCP and TLS can be closed in one direction alone, and RFC 9112 section 9.6 relies on it. aiohttp's
protocol takes the end of a client's requests for the end of the connection, and drops the answer.
The protocol here stands in front of it and keeps the connection open while an answer is due. A
client that stops in the middle of a request gets no answer.
"""

from __future__ import annotations

import asyncio
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final, final

from mirror.connections.tls import HalfClosableTLS
from mirror.transfer.client_progress import ClientProgress, unconfirmed_bytes
from store.model.limits import MIB

if TYPE_CHECKING:
    from collections.abc import Iterator

    from aiohttp import web

END_DELAY_S: Final = 0.05
"""How long after the end of the client's bytes a connection without a request is closed."""
_LOOP_ROUNDS: Final = 8
"""Rounds of the loop, after `END_DELAY_S`, in which a last request reaches its handler.

It takes three rounds. The time alone proves nothing: on a busy machine it may pass before the
loop's next round, which begins with the timers that are due.
"""

BUFFER_BYTES: Final = MIB // 4
"""The size of one read."""
_SMALL_BUFFER_BYTES: Final = MIB // 16
SMALL_CROWD: Final = 64
"""With more connections than this, each read is smaller."""


@final
class Connection(asyncio.BufferedProtocol):
    """One connection: aiohttp's protocol, except for the end of the connection.

    Args:
        protocol: aiohttp's protocol.
        connections: The open connections; this one registers itself while it is open.
        buffer: Receives what is read. All connections may share it, because each read is handed
            to the protocol at once.
    """

    def __init__(
        self, protocol: web.RequestHandler, connections: set[Connection], buffer: memoryview
    ) -> None:
        self._protocol = protocol
        self._connections = connections
        self._buffer = buffer
        self._transport: asyncio.Transport | None = None
        self._request: web.Request | None = None
        self._ending: asyncio.Handle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Register the connection, and pass it to aiohttp.

        Args:
            transport: The connection's transport.
        """
        self._connections.add(self)
        self._transport = transport  # type: ignore[assignment] # a stream's; uvloop's class is not asyncio's
        tls = transport.get_extra_info("ssl_object")
        if isinstance(tls, HalfClosableTLS):
            tls.on_end = self._end_soon
        self._protocol.connection_made(transport)

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the connection, and tell aiohttp.

        Args:
            exc: The error that ended the connection; None for a regular end.
        """
        self._connections.discard(self)
        self._transport = None
        self._protocol.connection_lost(exc)

    def get_buffer(self, sizehint: int) -> memoryview:  # noqa: ARG002 - asyncio's signature
        """Return the buffer for the next read, a part of it if there are many connections.

        Each connection may hold one read beyond what its client should have sent.

        Args:
            sizehint: Not used.
        """
        return (
            self._buffer
            if len(self._connections) <= SMALL_CROWD
            else self._buffer[:_SMALL_BUFFER_BYTES]
        )

    def buffer_updated(self, nbytes: int) -> None:
        """Pass bytes of the client to aiohttp.

        Args:
            nbytes: How many bytes the buffer holds.
        """
        self._protocol.data_received(bytes(self._buffer[:nbytes]))

    def pause_writing(self) -> None:
        """Tell aiohttp to stop writing."""
        self._protocol.pause_writing()

    def resume_writing(self) -> None:
        """Tell aiohttp to write again."""
        self._protocol.resume_writing()

    def eof_received(self) -> bool:
        """Return whether the connection stays open after the end of the client's bytes.

        Under TLS the end of TCP ends both directions.
        """
        if self._transport is None or self._transport.get_extra_info("sslcontext") is not None:
            return False
        self._end_soon()
        return True

    def _end_soon(self) -> None:
        if self._ending is not None:
            # A timer that fires between two requests would not see the second one.
            self._ending.cancel()
        self._ending = asyncio.get_running_loop().call_later(END_DELAY_S, self._end)

    def _end(self, rounds: int = _LOOP_ROUNDS) -> None:
        if rounds:
            self._ending = asyncio.get_running_loop().call_soon(self._end, rounds - 1)
            return
        # Every complete request is answered (RFC 9112 section 9.3.2); aiohttp drops requests that
        # wait when it is told to close.
        if self._transport is not None and (self._request is None or self.is_receiving):
            self._transport.close()

    @property
    def is_receiving(self) -> bool:
        """Whether a request is incomplete."""
        return self._request is not None and not self._request.content.is_eof()

    @property
    def is_answering(self) -> bool:
        """Whether an answer is due, or not sent completely."""
        return self._transport is not None and (self._request is not None or self.unsent_bytes > 0)

    @property
    def unsent_bytes(self) -> int:
        """Bytes that the client has not taken yet.

        Under TLS this includes the kernel's buffer, because the transport does not report the
        bytes that it has encrypted.
        """
        if self._transport is None:
            return 0
        waiting = self._transport.get_write_buffer_size()
        if not waiting and self._transport.get_extra_info("sslcontext") is not None:
            return unconfirmed_bytes(self._transport.get_extra_info("socket"))
        return waiting

    def watch_progress(self) -> ClientProgress:
        """Return a watch on the bytes that the client takes from now on."""
        return ClientProgress(
            None if self._transport is None else self._transport.get_extra_info("socket")
        )

    def abort(self) -> None:
        """Close the connection at once."""
        if self._transport is not None:
            self._transport.abort()

    def begin_answer(self, request: web.Request) -> None:
        """Note that an answer is due.

        Args:
            request: The request to answer.
        """
        self._request = request

    def end_answer(self) -> None:
        """Note that the answer was given."""
        self._request = None
        if self._ending is not None:
            self._end_soon()


@contextmanager
def keep_open_for_answer(request: web.Request) -> Iterator[None]:
    """Keep a request's connection open while the request is answered.

    Args:
        request: The request.
    """
    connection = None if request.transport is None else request.transport.get_protocol()
    if not isinstance(connection, Connection):
        # The application runs in another server.
        yield
        return
    connection.begin_answer(request)
    try:
        yield
    finally:
        connection.end_answer()
