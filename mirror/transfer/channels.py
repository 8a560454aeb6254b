"""The two kinds of connection through which response bodies are sent.

The body is written directly to a plain socket, without the event loop's buffers. On any other
connection, such as TLS, the body is written through aiohttp.
"""

from __future__ import annotations

import asyncio
import os
import socket
import sys
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Final, final

from aiohttp import web

from mirror.transfer.client_progress import ClientProgress, check_interval_s
from store.model.limits import MIB

if TYPE_CHECKING:
    from collections.abc import Iterator

SENT: Final = web.RequestKey("sent", int)
"""The number of bytes of a response body that were written without aiohttp."""

PIECE_BYTES: Final = MIB // 4
"""The largest number of bytes that are passed to aiohttp at once."""

POLL_INTERVAL_S: Final = 0.002
"""The interval between two checks of the loop's write buffer while it drains, in seconds."""


def is_plain_socket(request: web.Request) -> bool:
    """Return whether the connection of a request is a plain socket."""
    transport = request.transport
    return (
        transport is not None
        and transport.get_extra_info("sslcontext") is None
        and transport.get_extra_info("socket") is not None
    )


def cut_off(request: web.Request) -> None:
    """Close the connection of a request at once, so that the client notices the missing bytes."""
    if request.transport is not None:
        request.transport.abort()


def hang_up(request: web.Request) -> None:
    """Close the connection of a request at once, and wake the transfer that waits for its client.

    A transfer has a duplicate of the socket, so `cut_off` alone does not wake it.
    """
    transport = request.transport
    if transport is None:
        return
    with (
        suppress(OSError),
        socket.socket(fileno=os.dup(transport.get_extra_info("socket").fileno())) as duplicate,
    ):
        duplicate.shutdown(socket.SHUT_RDWR)
    transport.abort()


async def drained_transport(request: web.Request) -> asyncio.Transport:
    """Wait until the loop's write buffer is empty, and return the transport.

    Raises:
        ConnectionError: The connection is closed.
        TimeoutError: The client has stalled.
    """
    wait_s, client = 0.0, client_progress(request)
    while (transport := request.transport) is not None and not transport.is_closing():
        if not transport.get_write_buffer_size():
            return transport
        # The head of a response is small: it is written in the loop's next round, unless the client
        # has stopped reading.
        await asyncio.sleep(wait_s)
        wait_s = POLL_INTERVAL_S
        client.raise_if_stalled()
    raise ConnectionResetError("the client has closed the connection")


def client_progress(request: web.Request) -> ClientProgress:
    """Return a stall timer for the client of a request.

    Raises:
        ConnectionResetError: The connection is closed.
    """
    if request.transport is None:
        raise ConnectionResetError("the client has closed the connection")
    return ClientProgress(request.transport.get_extra_info("socket"))


def set_ready(ready: asyncio.Future[None]) -> None:
    """Set the result of a future, unless it is done or cancelled."""
    if not ready.done():
        ready.set_result(None)


def require_bytes(size_bytes: int) -> int:
    """Return ``size_bytes``, the result of a read; raise if the file has ended early.

    Raises:
        ConnectionAbortedError: ``size_bytes`` is 0: the file is shorter than the response
            announced.
    """
    if not size_bytes:
        raise ConnectionAbortedError("the file has become shorter")
    return size_bytes


@final
class Socket:
    """A plain connection; bytes are written to its socket without the loop's buffers.

    Args:
        request: The request that is answered.
        transport: The transport of the request, with an empty write buffer.
    """

    def __init__(self, request: web.Request, transport: asyncio.Transport) -> None:
        # A second socket for the same connection: the loop refuses to watch a socket that a
        # transport owns.
        self.own = own = socket.socket(fileno=os.dup(transport.get_extra_info("socket").fileno()))
        self.descriptor = own.fileno()
        self._transport = transport
        self.client = ClientProgress(own)
        self._request = request
        self._is_full = False
        self._cork(1)

    @classmethod
    async def of(cls, request: web.Request) -> Socket:
        """Wait until the response's head is written, and return the connection for the body.

        Raises:
            ConnectionError: The connection is closed.
            TimeoutError: The client has stalled.
        """
        return cls(request, await drained_transport(request))

    def sendfile(self, source: int, start: int, size_bytes: int) -> int:
        """Send the beginning of a part of a file, as much as the socket has room for.

        Args:
            source: The descriptor of the file.
            start: The offset of the part's first byte in the file.
            size_bytes: The size of the part.

        Returns:
            The number of bytes that were sent.

        Raises:
            BlockingIOError: The socket has no room.
            ConnectionError: The connection is closed, or the file ends early.
            OSError: The file cannot be read.
        """
        self.require_open()
        return self.note_sent(
            require_bytes(os.sendfile(self.descriptor, source, start, size_bytes))
        )

    async def send(self, view: memoryview, patience_s: float) -> int:
        """Send the beginning of ``view``, as much as the socket has room for.

        Args:
            view: The bytes to send.
            patience_s: How long to wait for room in the socket, in seconds.

        Returns:
            The number of bytes that were sent; 0 if the socket had no room and the call waited.

        Raises:
            ConnectionError: The connection is closed.
            TimeoutError: The client has stalled.
        """
        self.require_open()
        try:
            sent = os.write(self.descriptor, view)
        except BlockingIOError:
            # A slow client may make room again and again before the wait below ends.
            self.client.raise_if_stalled()
            await self._writable(patience_s)
            return 0
        await asyncio.sleep(0)
        return self.note_sent(sent)

    async def drain(self) -> None:
        """Wait until the socket has room, if it was full.

        Raises:
            TimeoutError: The client has stalled.
        """
        while self._is_full:
            await self._writable(check_interval_s())

    @contextmanager
    def reading_paused(self) -> Iterator[None]:
        """Pause the loop's reads from the connection while the ``with`` block runs."""
        transport = self._transport
        if not transport.is_reading():
            yield
            return
        transport.pause_reading()
        try:
            yield
        finally:
            if not transport.is_closing():
                transport.resume_reading()

    def close(self) -> None:
        """Close the duplicated socket; the transport keeps the connection open."""
        # This sends the bytes that did not fill a packet.
        self._cork(0)
        self.own.close()

    def _cork(self, whether: int) -> None:
        """Have the kernel send only full packets if ``whether`` is 1 (TCP_CORK, tcp(7)).

        Otherwise partly filled packets would wake the client for a few bytes.
        """
        if sys.platform == "linux":
            with suppress(OSError):
                self.own.setsockopt(socket.IPPROTO_TCP, socket.TCP_CORK, whether)

    @property
    def is_open(self) -> bool:
        """Whether the transport still has the connection open.

        The duplicated socket keeps a closed connection alive, so a write to it would still succeed.
        """
        transport = self._request.transport
        return transport is not None and not transport.is_closing()

    def require_open(self) -> None:
        """Raise unless the transport still has the connection open.

        Raises:
            ConnectionResetError: The transport has closed the connection.
        """
        if not self.is_open:
            raise ConnectionResetError("the client has closed the connection")

    def hang_up(self) -> None:
        """Shut down the connection; this also wakes a thread that waits for room in the socket."""
        with suppress(OSError):
            self.own.shutdown(socket.SHUT_RDWR)

    def note_sent(self, size_bytes: int) -> int:
        """Count bytes that were sent, reset the stall timer, and return the number of bytes."""
        self._request[SENT] = self._request.get(SENT, 0) + size_bytes
        self.client.note(size_bytes)
        return size_bytes

    async def _writable(self, at_most_s: float) -> None:
        loop = asyncio.get_running_loop()
        ready: asyncio.Future[None] = loop.create_future()
        loop.add_writer(self.descriptor, set_ready, ready)
        self._is_full = True
        try:
            async with asyncio.timeout(at_most_s):
                await ready
            self._is_full = False
        except TimeoutError:
            self.client.raise_if_stalled()
        finally:
            loop.remove_writer(self.descriptor)


@final
class Stream:
    """A connection, such as TLS, whose bytes are written through aiohttp; aiohttp copies them.

    Args:
        response: The response, whose head has been written.
        client: The stall timer of the client.
        piece_bytes: The largest number of bytes that are copied at once.
    """

    def __init__(
        self,
        response: web.StreamResponse,
        client: ClientProgress,
        piece_bytes: int = PIECE_BYTES,
    ) -> None:
        self._response = response
        self._piece_bytes = piece_bytes
        self._client = client
        self._writing: asyncio.Task[None] | None = None

    async def send(self, view: memoryview, patience_s: float) -> int:
        """Start to write the beginning of ``view``, at most one piece.

        Args:
            view: The bytes; the caller may change them after the call.
            patience_s: How long to wait until earlier bytes have been written, in seconds.

        Returns:
            The number of bytes that are being written; 0 if earlier bytes are not written yet.

        Raises:
            ConnectionError: The connection is closed.
            TimeoutError: The client has stalled.
        """
        if self._writing is not None:
            await asyncio.wait((self._writing,), timeout=patience_s)
            if not self._writing.done():
                return 0
            self._writing.result()
        piece = bytes(view[: self._piece_bytes])
        self._writing = asyncio.create_task(write_piece(self._response, piece, self._client))
        return len(piece)

    async def drain(self) -> None:
        """Wait until all bytes are written.

        Raises:
            ConnectionError: The connection is closed.
            TimeoutError: The client has stalled.
        """
        if self._writing is not None:
            await self._writing
            self._writing = None

    def close(self) -> None:
        """Stop writing."""
        if self._writing is not None:
            self._writing.cancel()


Channel = Socket | Stream


async def write_piece(response: web.StreamResponse, piece: bytes, client: ClientProgress) -> None:
    """Write bytes through aiohttp, and wait until aiohttp has room for more.

    Args:
        response: The response, whose head has been written.
        piece: The next bytes of the body.
        client: The stall timer of the client.

    Raises:
        ConnectionError: The connection is closed.
        TimeoutError: The client has stalled.
    """
    writing = asyncio.create_task(response.write(piece))
    try:
        client.note(0)
        while not (await asyncio.wait((writing,), timeout=check_interval_s()))[0]:
            client.raise_if_stalled()
        await writing
    finally:
        writing.cancel()
