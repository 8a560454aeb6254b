"""Connections that stay open until the answer is sent, even if the client has stopped sending.

A client may close TCP and TLS in one direction only, and RFC 9112 section 9.6 relies on this.
aiohttp's protocol treats the end of a client's requests as the end of the connection, and drops the
answer. `Connection` wraps aiohttp's protocol and keeps the connection open while an answer is due.
A client that stops in the middle of a request gets no answer.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final, final

from mirror.connections.tls import HalfClosableTLS
from mirror.transfer.client_progress import ClientProgress, unconfirmed_bytes
from store.model.limits import MIB

if TYPE_CHECKING:
    from aiohttp import web

    from mirror.connections.admission import Slot

END_DELAY_S: Final = 0.05
"""A connection without a request is closed this long after the client has stopped sending."""
_LOOP_ROUNDS: Final = 8
"""After `END_DELAY_S`, the last request has this many rounds of the loop to reach its handler.

A request needs three rounds. The delay alone is not enough: on a busy machine it may pass before
the loop's next round, which runs due timers first.
"""

BUFFER_BYTES: Final = MIB // 4
"""The size of one read."""
_SMALL_BUFFER_BYTES: Final = MIB // 16
SMALL_CROWD: Final = 64
"""With more connections than this, each read is smaller."""


@final
class Connection(asyncio.BufferedProtocol):
    """One connection, which aiohttp's protocol serves; this class decides when the connection ends.

    Args:
        protocol: The protocol of aiohttp that parses and answers requests.
        connections: The open connections; each connection registers itself while it is open.
        buffer: The buffer for reads. All connections may share it, because the bytes of each read
            are passed on at once.
        slot: The place of the connection in the limits of its process; None without limits.
    """

    def __init__(
        self,
        protocol: web.RequestHandler,
        connections: set[Connection],
        buffer: memoryview,
        slot: Slot | None = None,
    ) -> None:
        self._protocol = protocol
        self._connections = connections
        self._buffer = buffer
        self._slot = slot
        self._transport: asyncio.Transport | None = None
        self._request: web.Request | None = None
        self._ending: asyncio.Handle | None = None
        self.has_ended = False
        """Whether the client has closed its sending side, or the whole connection."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Register the connection, and pass its transport to aiohttp."""
        self._connections.add(self)
        if self._slot is not None:
            self._slot.close = self.abort
            self._slot.is_answering = lambda: self.is_answering
        self._transport = transport  # type: ignore[assignment] # a stream's; uvloop's class is not asyncio's
        tls = transport.get_extra_info("ssl_object")
        if isinstance(tls, HalfClosableTLS):
            tls.on_end = self._end_soon
        self._protocol.connection_made(transport)

    def connection_lost(self, exc: Exception | None) -> None:
        """Unregister the connection, and report its end to aiohttp.

        Args:
            exc: The error that ended the connection; None if it was closed without an error.
        """
        self._connections.discard(self)
        self._transport = None
        if self._slot is not None:
            self._slot.leave()
        self._protocol.connection_lost(exc)

    def get_buffer(self, sizehint: int) -> memoryview:  # noqa: ARG002 - asyncio's signature
        """Return the buffer for the next read, shortened if many connections are open.

        aiohttp may keep the bytes of one read in memory for every connection.

        Args:
            sizehint: Not used.
        """
        return (
            self._buffer
            if len(self._connections) <= SMALL_CROWD
            else self._buffer[:_SMALL_BUFFER_BYTES]
        )

    def buffer_updated(self, nbytes: int) -> None:
        """Pass the bytes of a read to aiohttp.

        Args:
            nbytes: How many bytes were read into the buffer.
        """
        self._protocol.data_received(bytes(self._buffer[:nbytes]))

    def pause_writing(self) -> None:
        """Tell aiohttp to stop writing."""
        self._protocol.pause_writing()

    def resume_writing(self) -> None:
        """Tell aiohttp to write again."""
        self._protocol.resume_writing()

    def eof_received(self) -> bool:
        """Return whether the connection stays open after the client has closed its sending side.

        A TLS connection does not stay open: the end of TCP ends both of its directions.
        """
        if self._transport is None or self._transport.get_extra_info("sslcontext") is not None:
            return False
        self._end_soon()
        return True

    def _end_soon(self) -> None:
        self.has_ended = True
        if self._ending is not None:
            # If the timer fired between two requests, it would miss the second request.
            self._ending.cancel()
        self._ending = asyncio.get_running_loop().call_later(END_DELAY_S, self._end)

    def _end(self, rounds: int = _LOOP_ROUNDS) -> None:
        if rounds:
            self._ending = asyncio.get_running_loop().call_soon(self._end, rounds - 1)
            return
        # Every complete request is answered (RFC 9112 section 9.3.2). When a transport is closed,
        # aiohttp drops requests that still wait.
        if self._transport is not None and (self._request is None or self.is_receiving):
            self._transport.close()

    @property
    def is_receiving(self) -> bool:
        """Whether the body of the current request is incomplete."""
        return self._request is not None and not self._request.content.is_eof()

    @property
    def is_answering(self) -> bool:
        """Whether a request is unanswered, or the client has not received the whole answer."""
        return self._transport is not None and (self._request is not None or self.unsent_bytes > 0)

    @property
    def unsent_bytes(self) -> int:
        """The number of bytes that the client has not received yet.

        With TLS, the number includes the kernel's buffer, because the transport does not report
        the bytes that the transport has encrypted.
        """
        if self._transport is None:
            return 0
        waiting = self._transport.get_write_buffer_size()
        if not waiting and self._transport.get_extra_info("sslcontext") is not None:
            return unconfirmed_bytes(self._transport.get_extra_info("socket"))
        return waiting

    def watch_progress(self) -> ClientProgress:
        """Start a stall timer for the client of this connection, and return the timer."""
        return ClientProgress(
            None if self._transport is None else self._transport.get_extra_info("socket")
        )

    def abort(self) -> None:
        """Close the connection at once."""
        if self._transport is not None:
            self._transport.abort()

    def begin_answer(self, request: web.Request) -> None:
        """Keep the connection open from now on, because a request has to be answered."""
        self._request = request
        if self._slot is not None:
            self._slot.begin_request()

    def end_answer(self) -> None:
        """Mark the request as answered.

        The connection is closed soon if the client has stopped sending.
        """
        self._request = None
        if self._slot is not None:
            self._slot.end_request()
        if self._ending is not None:
            self._end_soon()


def connection_of(request: web.Request) -> Connection | None:
    """Return the connection of a request.

    Args:
        request: The request.

    Returns:
        The connection; None if it is closed, or if the application runs in a server other than
        `mirror.server`.
    """
    connection = None if request.transport is None else request.transport.get_protocol()
    return connection if isinstance(connection, Connection) else None
