"""Bytes to a client: files by ``sendfile``, everything else a block at a time.

uvloop has no ``loop.sendfile``, and aiohttp falls back to copying without saying so; so the socket is duplicated and fed here. How it is fed was measured
(docs/benchmarks/findings.md): whoever serves many clients pays for each time that a client is woken up, and for each turn of the loop.
"""

from __future__ import annotations

import asyncio
import os
import socket
import sys
from contextlib import closing, suppress
from typing import TYPE_CHECKING, BinaryIO, Final, cast, final

from aiohttp import web

from mirror.work import run
from store.limits import MIB

if TYPE_CHECKING:
    from concurrent.futures import Executor

    from mirror.memory import BlockMemory
    from store.ranged import Blocks

STALL_S: Final = 60.0
"""A client that takes no byte for so long is gone."""

SENT: Final = web.RequestKey("sent", int)
"""Bytes of a body that went past aiohttp."""

_LEAST_TURN_BYTES: Final = MIB // 2
_MOST_TURN_BYTES: Final = 2 * MIB
_ROUND_BYTES: Final = 16 * MIB
"""When every socket has had its turn: the fewer there are, the more goes into each at once, and others never wait for long."""
_TLS_PIECE_BYTES: Final = MIB // 4
"""Handed over at once: a client that takes less of it than this within `STALL_S` is cut off, so it must not be too much for a slow line."""

_SOON_S: Final = 0.002


async def send_file(request: web.Request, response: web.StreamResponse, pool: Executor, file: BinaryIO, start: int, stop: int) -> None:
    """Send the bytes of ``file`` from ``start`` to before ``stop``."""
    await response.prepare(request)
    try:
        if _can_be_fed(request):
            with closing(await _Socket.of(request)) as channel:
                await channel.send_file(file.fileno(), start, stop)
        else:
            while start < stop:
                piece = await run(pool, os.pread, file.fileno(), min(_TLS_PIECE_BYTES, stop - start), start)
                start += _progress(len(piece))
                await asyncio.wait_for(response.write(piece), STALL_S)
    except BaseException:
        cut_off(request)
        raise
    await response.write_eof()


async def send_blocks(request: web.Request, response: web.StreamResponse, pool: Executor, memory: BlockMemory, blocks: Blocks, start: int, stop: int) -> None:
    """Send the bytes of ``blocks`` from ``start`` to before ``stop``, with as much memory as `BlockMemory` gives.

    Before the first block has been read nothing is said, so that a failure can be answered; later ones cut the connection, for the client to see.
    """
    channel: _Channel | None = None
    try:
        while start < stop:
            with await memory.lend() as loan:
                view = await run(pool, blocks.read_into, start, loan.buffer)
                view = view[: stop - start]
                if channel is None:
                    await response.prepare(request)
                    channel = await _Socket.of(request) if _can_be_fed(request) else _Stream(response)
                taken = 0
                while taken < len(view) and not loan.is_due:
                    taken += await channel.send(view[taken:], memory.patience_s)
                start += taken
                view.release()
            await channel.settle()
    except BaseException:
        if channel is not None:
            cut_off(request)
        raise
    finally:
        if channel is not None:
            channel.close()
    if channel is None:
        await response.prepare(request)
    await response.write_eof()


def cut_off(request: web.Request) -> None:
    """End the connection at once, so that the client cannot take what it got for the whole."""
    if request.transport is not None:
        request.transport.abort()


def _can_be_fed(request: web.Request) -> bool:
    transport = request.transport
    return transport is not None and transport.get_extra_info("sslcontext") is None and transport.get_extra_info("socket") is not None


@final
class _Socket:
    """A plain connection, fed past the loop's buffers."""

    def __init__(self, request: web.Request, own: socket.socket) -> None:
        self.descriptor = own.fileno()
        self._request = request
        self._own = own
        self._stalled_s = 0.0
        self._is_full = False
        self._cork(1)

    @classmethod
    async def of(cls, request: web.Request) -> _Socket:
        """The connection of ``request``, when the head of the answer has gone."""
        if request.transport is None:
            raise ConnectionResetError("the client has gone")
        # uvloop's are none of asyncio's class.
        transport = cast("asyncio.WriteTransport", request.transport)
        async with asyncio.timeout(STALL_S):
            wait_s = 0.0
            while transport.get_write_buffer_size():
                # The head goes first. It is small: the socket takes it in the loop's next round, unless the client has stopped reading.
                await asyncio.sleep(wait_s)
                wait_s = _SOON_S
        # A socket of our own for the same connection: the loop refuses to watch one that a transport owns.
        return cls(request, socket.socket(fileno=os.dup(transport.get_extra_info("socket").fileno())))

    async def send_file(self, source: int, start: int, stop: int) -> None:
        """Send a part of the file ``source``."""
        feeding = _Feeding(self, source, start, stop)
        if not feeding.send():
            await feeding.rest()

    def send_some(self, source: int, start: int, size_bytes: int) -> int:
        """Send what the socket takes at once. Raises BlockingIOError, ConnectionError."""
        self._require_open()
        return self._count(_progress(os.sendfile(self.descriptor, source, start, size_bytes)))

    async def send(self, view: memoryview, patience_s: float) -> int:
        """Send some of ``view``: nothing, when the client takes nothing for ``patience_s``."""
        self._require_open()
        try:
            sent = os.write(self.descriptor, view)
        except BlockingIOError:
            await self._writable(patience_s)
            return 0
        await asyncio.sleep(0)
        return self._count(sent)

    async def settle(self) -> None:
        """Wait until the client takes something again, if it has stopped."""
        while self._is_full:
            await self._writable(STALL_S)

    def close(self) -> None:
        # What did not fill a packet goes now.
        self._cork(0)
        self._own.close()

    def _cork(self, whether: int) -> None:
        """Send full packets only (tcp(7)): every other one wakes the client for next to nothing."""
        if sys.platform == "linux":
            with suppress(OSError):
                self._own.setsockopt(socket.IPPROTO_TCP, socket.TCP_CORK, whether)

    def _require_open(self) -> None:
        transport = self._request.transport
        if transport is None or transport.is_closing():
            raise ConnectionResetError("the client has gone")

    def _count(self, sent: int) -> int:
        self._request[SENT] = self._request.get(SENT, 0) + sent
        self._stalled_s = 0.0
        return sent

    async def _writable(self, at_most_s: float) -> None:
        loop = asyncio.get_running_loop()
        ready: asyncio.Future[None] = loop.create_future()
        loop.add_writer(self.descriptor, _settle, ready)
        self._is_full = True
        try:
            async with asyncio.timeout(at_most_s):
                await ready
            self._is_full = False
        except TimeoutError:
            self._stalled_s += at_most_s
            if self._stalled_s >= STALL_S:
                raise
        finally:
            loop.remove_writer(self.descriptor)


@final
class _Feeding:
    """A part of a file on its way into a socket. The loop calls when the socket takes more; nothing else of it runs meanwhile, so that a turn costs little."""

    def __init__(self, channel: _Socket, source: int, start: int, stop: int) -> None:
        self._loop = asyncio.get_running_loop()
        self._channel = channel
        self._source = source
        self._start = start
        self._stop = stop
        self._moved_at = self._loop.time()
        self._done: asyncio.Future[None] = self._loop.create_future()

    def send(self) -> bool:
        """Send one piece, or less if the socket is full; whether it was the last. Raises ConnectionError."""
        with suppress(BlockingIOError):
            self._start += self._channel.send_some(self._source, self._start, min(_turn_bytes(), self._stop - self._start))
            self._moved_at = self._loop.time()
        return self._start == self._stop

    async def rest(self) -> None:
        """Send what is left. Raises ConnectionError; TimeoutError when the client takes nothing for `STALL_S`."""
        self._watch()
        _feeding.add(self)
        self._loop.add_writer(self._channel.descriptor, self._writable)
        try:
            await self._done
        finally:
            _feeding.discard(self)
            self._loop.remove_writer(self._channel.descriptor)
            self._watching.cancel()

    def _writable(self) -> None:
        if self._done.done():
            return
        try:
            if self.send():
                _settle(self._done)
        except OSError as exc:
            self._fail(exc)

    def _watch(self) -> None:
        """Look again when the client would have stalled, had it taken nothing since."""
        until = self._moved_at + STALL_S
        if self._loop.time() >= until:
            self._fail(TimeoutError(f"the client has taken nothing for {STALL_S:g} s"))
        else:
            self._watching = self._loop.call_at(until, self._watch)

    def _fail(self, error: OSError) -> None:
        if not self._done.done():
            self._done.set_exception(error)


_feeding: Final[set[_Feeding]] = set()
"""Those that take turns."""


def _turn_bytes() -> int:
    return min(_MOST_TURN_BYTES, max(_LEAST_TURN_BYTES, _ROUND_BYTES // (len(_feeding) or 1)))


@final
class _Stream:
    """Any other connection: what is sent is copied, so that the block is free again."""

    def __init__(self, response: web.StreamResponse) -> None:
        self._response = response
        self._writing: asyncio.Task[None] | None = None

    async def send(self, view: memoryview, patience_s: float) -> int:
        if self._writing is not None:
            await asyncio.wait((self._writing,), timeout=patience_s)
            if not self._writing.done():
                return 0
            self._writing.result()
        piece = bytes(view[:_TLS_PIECE_BYTES])
        self._writing = asyncio.create_task(asyncio.wait_for(self._response.write(piece), STALL_S))
        return len(piece)

    async def settle(self) -> None:
        if self._writing is not None:
            await self._writing
            self._writing = None

    def close(self) -> None:
        if self._writing is not None:
            self._writing.cancel()


_Channel = _Socket | _Stream


def _settle(ready: asyncio.Future[None]) -> None:
    if not ready.done():
        ready.set_result(None)


def _progress(size_bytes: int) -> int:
    if not size_bytes:
        raise ConnectionAbortedError("the file is shorter than it was")
    return size_bytes
