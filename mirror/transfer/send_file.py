"""Send a part of a regular file, with ``sendfile`` if the connection allows it."""

from __future__ import annotations

import os
from contextlib import closing, suppress
from typing import TYPE_CHECKING, BinaryIO

from mirror.transfer.channels import (
    PIECE_BYTES,
    Socket,
    client_progress,
    cut_off,
    is_plain_socket,
    require_bytes,
    write_piece,
)
from mirror.transfer.nonblocking_sendfile import MAX_TURN_BYTES, NonblockingSendfile, is_cached
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
    """Send a response whose body is a part of a file.

    Args:
        request: The request that is answered.
        response: The response; its headers are set, and nothing has been written.
        pools: The thread pools of this process.
        file: A regular file, open for reading.
        start: The offset of the body's first byte in the file.
        stop: The offset after the body's last byte.

    Raises:
        ConnectionError: The connection is closed, or the file ends early. If the file ends early,
            this function has closed the connection.
        TimeoutError: The client has stalled; its connection was closed.
        OSError: The file cannot be read; the connection was closed.
    """
    await response.prepare(request)
    try:
        if is_plain_socket(request):
            with closing(await Socket.of(request)) as channel:
                await _sendfile(channel, pools, file.fileno(), start, stop)
        else:
            client = client_progress(request)
            while start < stop:
                piece = await run(
                    pools.files, os.pread, file.fileno(), min(PIECE_BYTES, stop - start), start
                )
                start += require_bytes(len(piece))
                await write_piece(response, piece, client)
    except BaseException:
        cut_off(request)
        raise
    await response.write_eof()


async def _sendfile(channel: Socket, pools: Pools, source: int, start: int, stop: int) -> None:
    if stop - start <= MAX_TURN_BYTES and is_cached(source, start, stop):
        # One call may send a small part, which costs less than waking a thread.
        with suppress(BlockingIOError):
            start += channel.sendfile(source, start, stop - start)
    if start < stop:
        start = await pools.blocking_sendfile.send(channel, source, start, stop)
    if start < stop:
        await NonblockingSendfile(channel, pools.files, source, start, stop).send()
