"""The two kinds of connection that bodies are sent through: a plain socket, fed past the loop's buffers, and any other, through aiohttp."""

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
"""Bytes of a body that went past aiohttp."""

PIECE_BYTES: Final = MIB // 4
"""Handed to aiohttp at once."""

POLL_INTERVAL_S: Final = 0.002


def can_be_fed(request: web.Request) -> bool:
    """Whether the connection of ``request`` is a plain socket."""
    transport = request.transport
    return (
        transport is not None
        and transport.get_extra_info("sslcontext") is None
        and transport.get_extra_info("socket") is not None
    )


def cut_off(request: web.Request) -> None:
    """End the connection at once, so that the client cannot take what it got for the whole."""
    if request.transport is not None:
        request.transport.abort()


async def drained(request: web.Request) -> asyncio.Transport:
    """The transport of ``request``, when all that it was given has gone into the socket.

    Raises ConnectionError, TimeoutError.
    """
    wait_s, taking = 0.0, taking_of(request)
    while (transport := request.transport) is not None and not transport.is_closing():
        if not transport.get_write_buffer_size():
            return transport
        # A head is small: the socket takes it in the loop's next round, unless the client has
        # stopped reading.
        await asyncio.sleep(wait_s)
        wait_s = POLL_INTERVAL_S
        taking.raise_if_stalled()
    raise ConnectionResetError("the client has gone")


def taking_of(request: web.Request) -> ClientProgress:
    """What the client of ``request`` takes. Raises ConnectionResetError when it has gone."""
    if request.transport is None:
        raise ConnectionResetError("the client has gone")
    return ClientProgress(request.transport.get_extra_info("socket"))


def settle(ready: asyncio.Future[None]) -> None:
    """What was waited for is so, unless nobody waits any more."""
    if not ready.done():
        ready.set_result(None)


def progress(size_bytes: int) -> int:
    """So many bytes of a file.

    Raises ConnectionAbortedError when there are none left, though there should be.
    """
    if not size_bytes:
        raise ConnectionAbortedError("the file is shorter than it was")
    return size_bytes


@final
class Socket:
    """A plain connection, fed past the loop's buffers."""

    def __init__(self, request: web.Request, transport: asyncio.Transport) -> None:
        # A socket of our own for the same connection: the loop refuses to watch one that a
        # transport owns.
        self.own = own = socket.socket(fileno=os.dup(transport.get_extra_info("socket").fileno()))
        self.descriptor = own.fileno()
        self._transport = transport
        self.taking = ClientProgress(own)
        self._request = request
        self._is_full = False
        self._cork(1)

    @classmethod
    async def of(cls, request: web.Request) -> Socket:
        """The connection of ``request``, when the head of the answer has gone."""
        return cls(request, await drained(request))

    def send_some(self, source: int, start: int, size_bytes: int) -> int:
        """Send what the socket takes at once of the file ``source``.

        Raises BlockingIOError, ConnectionError.
        """
        self.require_open()
        return self.count(progress(os.sendfile(self.descriptor, source, start, size_bytes)))

    async def send(self, view: memoryview, patience_s: float) -> int:
        """Send some of ``view``: nothing, when the client takes nothing for ``patience_s``."""
        self.require_open()
        try:
            sent = os.write(self.descriptor, view)
        except BlockingIOError:
            await self._writable(patience_s)
            return 0
        await asyncio.sleep(0)
        return self.count(sent)

    async def settle(self) -> None:
        """Wait until the client takes something again, if it has stopped."""
        while self._is_full:
            await self._writable(check_interval_s())

    @contextmanager
    def unread(self) -> Iterator[None]:
        """Meanwhile the loop reads nothing from it."""
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
        """Leave the connection to its transport."""
        # What did not fill a packet goes now.
        self._cork(0)
        self.own.close()

    def _cork(self, whether: int) -> None:
        """Send full packets only (tcp(7)): every other one wakes the client for next to nothing."""
        if sys.platform == "linux":
            with suppress(OSError):
                self.own.setsockopt(socket.IPPROTO_TCP, socket.TCP_CORK, whether)

    @property
    def is_open(self) -> bool:
        """Whether the transport still has it.

        One that was closed may live on here, and its client take what nobody wants it to have.
        """
        transport = self._request.transport
        return transport is not None and not transport.is_closing()

    def require_open(self) -> None:
        """Raise ConnectionResetError when there is no connection any more."""
        if not self.is_open:
            raise ConnectionResetError("the client has gone")

    def hang_up(self) -> None:
        """End the connection: the only way to wake a thread that waits for room in it."""
        with suppress(OSError):
            self.own.shutdown(socket.SHUT_RDWR)

    def count(self, sent: int) -> int:
        """So many bytes went into it."""
        self._request[SENT] = self._request.get(SENT, 0) + sent
        self.taking.note()
        return sent

    async def _writable(self, at_most_s: float) -> None:
        loop = asyncio.get_running_loop()
        ready: asyncio.Future[None] = loop.create_future()
        loop.add_writer(self.descriptor, settle, ready)
        self._is_full = True
        try:
            async with asyncio.timeout(at_most_s):
                await ready
            self._is_full = False
        except TimeoutError:
            self.taking.raise_if_stalled()
        finally:
            loop.remove_writer(self.descriptor)


@final
class Stream:
    """Any other connection: what is sent is copied, so that the block is free again."""

    def __init__(self, response: web.StreamResponse, taking: ClientProgress) -> None:
        self._response = response
        self._taking = taking
        self._writing: asyncio.Task[None] | None = None

    async def send(self, view: memoryview, patience_s: float) -> int:
        """Send some of ``view``: nothing, when what was sent before has not gone after ``patience_s``."""
        if self._writing is not None:
            await asyncio.wait((self._writing,), timeout=patience_s)
            if not self._writing.done():
                return 0
            self._writing.result()
        piece = bytes(view[:PIECE_BYTES])
        self._writing = asyncio.create_task(written(self._response, piece, self._taking))
        return len(piece)

    async def settle(self) -> None:
        """Wait until all has gone."""
        if self._writing is not None:
            await self._writing
            self._writing = None

    def close(self) -> None:
        """Nothing more is sent."""
        if self._writing is not None:
            self._writing.cancel()


Channel = Socket | Stream


async def written(response: web.StreamResponse, piece: bytes, taking: ClientProgress) -> None:
    """Hand ``piece`` to aiohttp.

    Raises ConnectionError; TimeoutError when the client takes nothing for
    `mirror.transfer.client_progress.STALL_S`.
    """
    writing = asyncio.create_task(response.write(piece))
    try:
        taking.note()
        while not (await asyncio.wait((writing,), timeout=check_interval_s()))[0]:
            taking.raise_if_stalled()
        await writing
    finally:
        writing.cancel()
