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

from mirror.taking import Taking, look_again_s
from mirror.work import finished, run
from store.limits import MIB

if TYPE_CHECKING:
    from concurrent.futures import Executor

    from mirror.memory import BlockMemory
    from store.ranged import Blocks

SENT: Final = web.RequestKey("sent", int)
"""Bytes of a body that went past aiohttp."""

_LEAST_TURN_BYTES: Final = MIB // 2
_MOST_TURN_BYTES: Final = 2 * MIB
_ROUND_BYTES: Final = 16 * MIB
"""When every socket has had its turn: the fewer there are, the more goes into each at once, and others never wait for long."""
_TLS_PIECE_BYTES: Final = MIB // 4
"""Handed over at once."""

_SOON_S: Final = 0.002


async def send_file(request: web.Request, response: web.StreamResponse, pool: Executor, file: BinaryIO, start: int, stop: int) -> None:
    """Send the bytes of ``file`` from ``start`` to before ``stop``."""
    await response.prepare(request)
    try:
        if _can_be_fed(request):
            with closing(await _Socket.of(request)) as channel:
                await channel.send_file(pool, file.fileno(), start, stop)
        else:
            taking = _taking(request)
            while start < stop:
                piece = await run(pool, os.pread, file.fileno(), min(_TLS_PIECE_BYTES, stop - start), start)
                start += _progress(len(piece))
                await _written(response, piece, taking)
    except BaseException:
        cut_off(request)
        raise
    await response.write_eof()


async def send_blocks(request: web.Request, response: web.StreamResponse, pool: Executor, memory: BlockMemory, blocks: Blocks, start: int, stop: int) -> None:
    """Send the bytes of ``blocks`` from ``start`` to before ``stop``, with as much memory as `BlockMemory` gives.

    Before the first block has been read nothing is said, so that a failure can be answered; later ones cut the connection, for the client to see.
    """
    channel: _Channel | None = None
    if _can_be_fed(request):
        # Who does not take earlier answers must not hold a block meanwhile.
        await _drained(request)
    try:
        while start < stop:
            with await memory.lend() as loan:
                view = await run(pool, blocks.read_into, start, loan.buffer)
                view = view[: stop - start]
                if channel is None:
                    await response.prepare(request)
                    channel = await _Socket.of(request) if _can_be_fed(request) else _Stream(response, _taking(request))
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


async def _drained(request: web.Request) -> asyncio.WriteTransport:
    """The transport of ``request``, when all that it was given has gone into the socket. Raises ConnectionError, TimeoutError."""
    wait_s, taking = 0.0, _taking(request)
    # uvloop's are none of asyncio's class.
    while (transport := cast("asyncio.WriteTransport | None", request.transport)) is not None and not transport.is_closing():
        if not transport.get_write_buffer_size():
            return transport
        # A head is small: the socket takes it in the loop's next round, unless the client has stopped reading.
        await asyncio.sleep(wait_s)
        wait_s = _SOON_S
        taking.require()
    raise ConnectionResetError("the client has gone")


@final
class _Socket:
    """A plain connection, fed past the loop's buffers."""

    def __init__(self, request: web.Request, own: socket.socket) -> None:
        self.descriptor = own.fileno()
        self._request = request
        self._own = own
        self.taking = Taking(own)
        self._is_full = False
        self._cork(1)

    @classmethod
    async def of(cls, request: web.Request) -> _Socket:
        """The connection of ``request``, when the head of the answer has gone."""
        transport = await _drained(request)
        # A socket of our own for the same connection: the loop refuses to watch one that a transport owns.
        return cls(request, socket.socket(fileno=os.dup(transport.get_extra_info("socket").fileno())))

    async def send_file(self, pool: Executor, source: int, start: int, stop: int) -> None:
        """Send a part of the file ``source``."""
        feeding = _Feeding(self, pool, source, start, stop)
        if not feeding.send():
            await feeding.rest()

    def send_some(self, source: int, start: int, size_bytes: int) -> int:
        """Send what the socket takes at once. Raises BlockingIOError, ConnectionError."""
        self.require_open()
        return self.count(_progress(os.sendfile(self.descriptor, source, start, size_bytes)))

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
            await self._writable(look_again_s())

    def close(self) -> None:
        # What did not fill a packet goes now.
        self._cork(0)
        self._own.close()

    def _cork(self, whether: int) -> None:
        """Send full packets only (tcp(7)): every other one wakes the client for next to nothing."""
        if sys.platform == "linux":
            with suppress(OSError):
                self._own.setsockopt(socket.IPPROTO_TCP, socket.TCP_CORK, whether)

    def require_open(self) -> None:
        """Raise ConnectionResetError when there is no connection any more."""
        transport = self._request.transport
        if transport is None or transport.is_closing():
            raise ConnectionResetError("the client has gone")

    def count(self, sent: int) -> int:
        """So many bytes went into it."""
        self._request[SENT] = self._request.get(SENT, 0) + sent
        self.taking.moved()
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
            self.taking.require()
        finally:
            loop.remove_writer(self.descriptor)


@final
class _Feeding:
    """A part of a file on its way into a socket. The loop calls when the socket takes more; nothing else of it runs meanwhile, so that a turn costs little.

    What would have to come from the disk first is sent by a thread: a slow disk must not hold up the loop.
    """

    def __init__(self, channel: _Socket, pool: Executor, source: int, start: int, stop: int) -> None:
        self._loop = asyncio.get_running_loop()
        self._channel = channel
        self._pool = pool
        self._source = source
        self._start = start
        self._stop = stop
        self._done: asyncio.Future[None] = self._loop.create_future()
        self._reading: asyncio.Future[int] | None = None

    def send(self) -> bool:
        """Send one piece, or less if the socket is full; whether it was the last. Raises OSError."""
        size_bytes = min(_turn_bytes(), self._stop - self._start)
        if not is_at_hand(self._source, self._start, self._start + size_bytes):
            self._begin_reading(size_bytes)
            return False
        with suppress(BlockingIOError):
            self._start += self._channel.send_some(self._source, self._start, size_bytes)
        return self._start == self._stop

    async def rest(self) -> None:
        """Send what is left. Raises OSError; TimeoutError when the client takes nothing for `STALL_S`."""
        self._watching = self._loop.call_later(look_again_s(), self._watch)
        _feeding.add(self)
        if self._reading is None:
            self._loop.add_writer(self._channel.descriptor, self._writable)
        try:
            await self._done
        finally:
            _feeding.discard(self)
            self._loop.remove_writer(self._channel.descriptor)
            self._watching.cancel()
            if self._reading is not None:
                # It has our descriptors.
                with suppress(OSError):
                    await finished(self._reading)

    def _writable(self) -> None:
        if self._done.done():
            return
        try:
            if self.send():
                _settle(self._done)
        except OSError as exc:
            self._fail(exc)

    def _begin_reading(self, size_bytes: int) -> None:
        self._channel.require_open()
        self._loop.remove_writer(self._channel.descriptor)
        self._reading = self._loop.run_in_executor(self._pool, os.sendfile, self._channel.descriptor, self._source, self._start, size_bytes)
        self._reading.add_done_callback(self._have_read)

    def _have_read(self, reading: asyncio.Future[int]) -> None:
        if self._done.done():
            return
        self._reading = None
        # It was not the client that kept us waiting.
        self._channel.taking.moved()
        try:
            if reading.cancelled():
                raise ConnectionAbortedError("the server stops")
            with suppress(BlockingIOError):
                self._start += self._channel.count(_progress(reading.result()))
        except OSError as exc:
            self._fail(exc)
            return
        if self._start == self._stop:
            _settle(self._done)
        else:
            self._loop.add_writer(self._channel.descriptor, self._writable)

    def _watch(self) -> None:
        try:
            if self._reading is None:
                self._channel.require_open()
                self._channel.taking.require()
        except OSError as exc:
            self._fail(exc)
        else:
            self._watching = self._loop.call_later(look_again_s(), self._watch)

    def _fail(self, error: OSError) -> None:
        if not self._done.done():
            self._done.set_exception(error)


_feeding: Final[set[_Feeding]] = set()
"""Those that take turns."""


def is_at_hand(source: int, start: int, stop: int) -> bool:
    """Whether this part of the file ``source`` is in memory, judged by its ends, for files are read ahead in order; so it seems where nobody can tell."""
    if sys.platform != "linux":
        return True
    try:
        for position in (start, stop - 1):
            os.preadv(source, (bytearray(1),), position, os.RWF_NOWAIT)
    except BlockingIOError:
        return False
    except OSError:
        # Not every file system knows the flag.
        return True
    return True


def _turn_bytes() -> int:
    return min(_MOST_TURN_BYTES, max(_LEAST_TURN_BYTES, _ROUND_BYTES // (len(_feeding) or 1)))


@final
class _Stream:
    """Any other connection: what is sent is copied, so that the block is free again."""

    def __init__(self, response: web.StreamResponse, taking: Taking) -> None:
        self._response = response
        self._taking = taking
        self._writing: asyncio.Task[None] | None = None

    async def send(self, view: memoryview, patience_s: float) -> int:
        if self._writing is not None:
            await asyncio.wait((self._writing,), timeout=patience_s)
            if not self._writing.done():
                return 0
            self._writing.result()
        piece = bytes(view[:_TLS_PIECE_BYTES])
        self._writing = asyncio.create_task(_written(self._response, piece, self._taking))
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


def _taking(request: web.Request) -> Taking:
    if request.transport is None:
        raise ConnectionResetError("the client has gone")
    return Taking(request.transport.get_extra_info("socket"))


async def _written(response: web.StreamResponse, piece: bytes, taking: Taking) -> None:
    """Hand ``piece`` over. Raises ConnectionError; TimeoutError when the client takes nothing for `STALL_S`."""
    writing = asyncio.create_task(response.write(piece))
    try:
        taking.moved()
        while not (await asyncio.wait((writing,), timeout=look_again_s()))[0]:
            taking.require()
        await writing
    finally:
        writing.cancel()
