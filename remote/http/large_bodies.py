"""Large bodies of answers, received into the buffers that their readers get.

aiohttp copies each part of a body twice before a reader has it, at most 256 KiB at a time. For a
large body, this takes more processor time than to receive it. Once the headers are parsed, and if
they state the length, the rest of the body needs no parser: `LargeBody` takes the connection over.
aiohttp cannot use this connection for another request, so it is closed after the body.
"""

from __future__ import annotations

import asyncio
import socket
from collections import deque
from typing import TYPE_CHECKING, Final, Self, cast, final

from remote.http.lean_aiohttp import aiohttp
from store.model.limits import MIB

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from aiohttp.client_proto import ResponseHandler

MIN_BYTES: Final = 4 * MIB
"""Smaller rests of bodies stay with aiohttp, which keeps their connections open."""

PIECE_BYTES: Final = MIB
"""The size of a buffer. With 2 MiB, a pull takes 4 % less processor time, and more memory."""

MAX_DELAY_S: Final = 0.02
"""How long received bytes wait at most until their buffer is full."""

_WAITING_PIECES: Final = 1
"""How many full buffers wait for the reader while another one is filled."""

_MAX_DIGITS: Final = 20


@final
class LargeBody(asyncio.BufferedProtocol):
    """The protocol of a connection over which the rest of a body arrives.

    Args:
        head: The beginning of the body, which aiohttp has received.
        expected_bytes: The length of the rest.
        handler: The protocol of aiohttp, which learns when the connection ends.
        transport: The connection; None if it has ended.
        idle_timeout_s: The longest silence, in seconds.
    """

    def __init__(
        self,
        head: bytes,
        expected_bytes: int,
        handler: ResponseHandler | None,
        transport: asyncio.Transport | None,
        idle_timeout_s: float,
    ) -> None:
        self._loop = asyncio.get_running_loop()
        self._head = head
        self._expected = expected_bytes
        self._handler = handler
        self._transport = transport
        self._idle_timeout_s = idle_timeout_s
        self._full: deque[bytearray] = deque()
        self._buffer: bytearray | None = None
        self._filled = 0
        self._is_paused = False
        self._is_ended = transport is None
        self._waiter: asyncio.Future[None] | None = None
        self._wanted = 1

    @classmethod
    def take_over(cls, response: aiohttp.ClientResponse, *, idle_timeout_s: float) -> Self | None:
        """Take over the connection of an answer whose body has not been read.

        Args:
            response: The answer. Its body must not be read in another way afterwards.
            idle_timeout_s: The longest silence, in seconds.

        Returns:
            The body; None if it is small, has no known length, or does not arrive over TCP without
            TLS.

        Raises:
            aiohttp.ClientError: The connection has failed already.
        """
        length = _length(response)
        connection, content = response.connection, response.content
        transport = None if connection is None else connection.transport
        if connection is None or transport is None or not _is_plain_tcp(transport):
            return None
        if length - content.total_bytes < MIN_BYTES:
            return None
        head = []
        # Each call lets aiohttp parse what it held back while too many bytes were waiting.
        while data := content.read_nowait():
            head.append(data)
        handler = connection.protocol
        left = length - content.total_bytes
        if handler is None or not left or transport.is_closing():
            return cls(b"".join(head), left, None, None, idle_timeout_s)
        handler.pause_reading()
        body = cls(b"".join(head), left, handler, transport, idle_timeout_s)
        transport.set_protocol(body)
        transport.resume_reading()
        return body

    async def pieces(self) -> AsyncIterator[bytes]:
        """Yield the body as it arrives, most of it in pieces of `PIECE_BYTES`.

        Raises:
            aiohttp.ClientPayloadError: The connection ended before the body.
            aiohttp.SocketTimeoutError: The connection was silent for too long.
        """
        if self._head:
            head, self._head = self._head, b""
            yield head
        while self._expected or self._full or self._filled:
            if not self._full:
                await self._wait(1, self._idle_timeout_s)
                # A slow connection fills no buffer for a long time.
                await self._wait(PIECE_BYTES, MAX_DELAY_S)
            piece = self._taken()
            if piece is None:
                if self._is_ended:
                    raise aiohttp.ClientPayloadError("the connection ended before the body")
                raise aiohttp.SocketTimeoutError("no byte arrived in time")
            # Nobody changes the buffer from now on, so its readers may take it for bytes. To make
            # it bytes would copy it.
            yield cast("bytes", piece)

    # --- called by the event loop -----------------------------------------------------------------

    def get_buffer(self, sizehint: int) -> memoryview:  # noqa: ARG002 - asyncio's signature
        """Return the room for the next bytes."""
        if self._buffer is None:
            self._buffer = bytearray(min(PIECE_BYTES, self._expected))
        return memoryview(self._buffer)[self._filled :]

    def buffer_updated(self, nbytes: int) -> None:
        """Take note of received bytes."""
        assert self._buffer is not None  # noqa: S101 - `get_buffer` was called
        self._filled += nbytes
        self._expected -= nbytes
        if self._filled == len(self._buffer):
            self._full.append(self._buffer)
            self._buffer, self._filled = None, 0
            if not self._expected or len(self._full) > _WAITING_PIECES:
                self._pause()
        if self._full or self._filled >= self._wanted:
            self._wake()

    def eof_received(self) -> None:
        """Take note that no bytes follow."""
        self._is_ended = True
        self._wake()

    def connection_lost(self, exc: Exception | None) -> None:
        """Take note that the connection has ended, and tell aiohttp."""
        self._is_ended = True
        self._wake()
        if self._handler is not None:
            self._handler.connection_lost(exc)

    def pause_writing(self) -> None:
        """Tell aiohttp."""
        if self._handler is not None:
            self._handler.pause_writing()

    def resume_writing(self) -> None:
        """Tell aiohttp."""
        if self._handler is not None:
            self._handler.resume_writing()

    # --- parts ------------------------------------------------------------------------------------

    def _pause(self) -> None:
        if self._transport is not None:
            self._is_paused = True
            self._transport.pause_reading()

    def _taken(self) -> bytearray | None:
        """Return the oldest full buffer, or the bytes of the one that is filled; None for none."""
        if self._full:
            piece = self._full.popleft()
        elif self._buffer is not None and self._filled:
            piece = self._buffer
            del piece[self._filled :]
            self._buffer, self._filled = None, 0
        else:
            return None
        if self._is_paused and self._expected and self._transport is not None:
            self._is_paused = False
            self._transport.resume_reading()
        return piece

    async def _wait(self, wanted_bytes: int, timeout_s: float) -> None:
        """Wait until a buffer is full or has some bytes, until no bytes follow, or for a time."""
        if self._full or self._is_ended or self._filled >= wanted_bytes:
            return
        self._wanted = wanted_bytes
        self._waiter = self._loop.create_future()
        timer = self._loop.call_later(timeout_s, self._wake)
        try:
            await self._waiter
        finally:
            timer.cancel()
            self._waiter = None

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)


def _length(response: aiohttp.ClientResponse) -> int:
    """Return the length of a body in bytes; 0 if the headers do not state it."""
    text = response.headers.get("Content-Length", "")
    is_number = text.isascii() and text.isdigit() and len(text) < _MAX_DIGITS
    return int(text) if is_number and "Transfer-Encoding" not in response.headers else 0


def _is_plain_tcp(transport: asyncio.Transport) -> bool:
    one = transport.get_extra_info("socket")
    is_tcp = one is not None and one.family in {socket.AF_INET, socket.AF_INET6}
    return is_tcp and transport.get_extra_info("sslcontext") is None
