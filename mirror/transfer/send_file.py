"""What lies in a file as clients want it."""

from __future__ import annotations

import os
from contextlib import closing, suppress
from typing import TYPE_CHECKING, BinaryIO

from mirror.transfer.channels import (
    PIECE_BYTES,
    Socket,
    can_be_fed,
    cut_off,
    progress,
    taking_of,
    written,
)
from mirror.transfer.nonblocking_sendfile import MAX_TURN_BYTES, NonblockingSendfile, is_at_hand
from mirror.transfer.threads import run

if TYPE_CHECKING:
    from aiohttp import web

    from mirror.transfer.pools import Pools


async def send_file(
    request: web.Request,
    response: web.StreamResponse,
    pools: Pools,
    file: BinaryIO,
    start: int,
    stop: int,
) -> None:
    """Send the bytes of ``file`` from ``start`` to before ``stop``.

    Raises OSError; TimeoutError when the client takes nothing for a while.
    """
    await response.prepare(request)
    try:
        if can_be_fed(request):
            with closing(await Socket.of(request)) as channel:
                await _feed(channel, pools, file.fileno(), start, stop)
        else:
            taking = taking_of(request)
            while start < stop:
                piece = await run(
                    pools.files, os.pread, file.fileno(), min(PIECE_BYTES, stop - start), start
                )
                start += progress(len(piece))
                await written(response, piece, taking)
    except BaseException:
        cut_off(request)
        raise
    await response.write_eof()


async def _feed(channel: Socket, pools: Pools, source: int, start: int, stop: int) -> None:
    if stop - start <= MAX_TURN_BYTES and is_at_hand(source, start, stop):
        # No thread is worth its while for what the socket may take at once.
        with suppress(BlockingIOError):
            start += channel.send_some(source, start, stop - start)
    if start < stop:
        start = await pools.blocking_sendfile.feed(channel, source, start, stop)
    if start < stop:
        await NonblockingSendfile(channel, pools.files, source, start, stop).take()
