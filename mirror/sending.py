"""Bytes to a client: files by ``sendfile``, everything else in pieces.

uvloop has no ``loop.sendfile``, and aiohttp falls back to copying without saying so; so the socket is duplicated and fed here.
docs/mirror.md says what that was measured against.
"""

from __future__ import annotations

import asyncio
import os
from contextlib import aclosing
from typing import TYPE_CHECKING, BinaryIO, Final, cast

from mirror.work import pieces, run
from store.limits import MIB

if TYPE_CHECKING:
    from collections.abc import Iterator
    from concurrent.futures import Executor

    from aiohttp import web

STALL_S: Final = 60.0
"""A client that takes no byte for so long is gone."""

_PIECE_BYTES: Final = MIB
_SOON_S: Final = 0.002


async def send_pieces(request: web.Request, response: web.StreamResponse, pool: Executor, source: Iterator[bytes]) -> None:
    """Send what ``source`` yields. It is cut off, for the client to see, when ``source`` fails."""
    await response.prepare(request)
    try:
        async with aclosing(pieces(pool, source)) as each:
            async for piece in each:
                await asyncio.wait_for(response.write(piece), STALL_S)
    except BaseException:
        cut_off(request)
        raise
    await response.write_eof()


async def send_file(request: web.Request, response: web.StreamResponse, pool: Executor, file: BinaryIO, start: int, stop: int) -> None:
    """Send the bytes of ``file`` from ``start`` to before ``stop``."""
    await response.prepare(request)
    try:
        if _can_be_fed(request):
            await _feed(request, file.fileno(), start, stop)
        else:
            while start < stop:
                piece = await run(pool, os.pread, file.fileno(), min(_PIECE_BYTES, stop - start), start)
                start += _progress(len(piece))
                await asyncio.wait_for(response.write(piece), STALL_S)
    except BaseException:
        cut_off(request)
        raise
    await response.write_eof()


def cut_off(request: web.Request) -> None:
    """End the connection at once, so that the client cannot take what it got for the whole."""
    if request.transport is not None:
        request.transport.abort()


def _can_be_fed(request: web.Request) -> bool:
    transport = request.transport
    return transport is not None and transport.get_extra_info("sslcontext") is None and transport.get_extra_info("socket") is not None


async def _feed(request: web.Request, source: int, start: int, stop: int) -> None:
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
    target = os.dup(transport.get_extra_info("socket").fileno())
    try:
        while start < stop:
            if transport.is_closing():
                raise ConnectionResetError("the client has gone")
            try:
                sent = os.sendfile(target, source, start, min(_PIECE_BYTES, stop - start))
            except BlockingIOError:
                await _writable(target)
                continue
            start += _progress(sent)
            # Another request may have its turn.
            await asyncio.sleep(0)
    finally:
        os.close(target)


async def _writable(descriptor: int) -> None:
    loop = asyncio.get_running_loop()
    ready: asyncio.Future[None] = loop.create_future()
    loop.add_writer(descriptor, _settle, ready)
    try:
        async with asyncio.timeout(STALL_S):
            await ready
    finally:
        loop.remove_writer(descriptor)


def _settle(ready: asyncio.Future[None]) -> None:
    if not ready.done():
        ready.set_result(None)


def _progress(size_bytes: int) -> int:
    if not size_bytes:
        raise ConnectionAbortedError("the file is shorter than it was")
    return size_bytes
