"""Sending bytes that are made on the way, such as decoded layers, a block at a time."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mirror.transfer.channels import (
    Channel,
    Socket,
    Stream,
    client_progress,
    cut_off,
    drained_transport,
    is_plain_socket,
)
from mirror.transfer.threads import run

if TYPE_CHECKING:
    from concurrent.futures import Executor

    from aiohttp import web

    from mirror.transfer.block_memory import BlockMemory
    from store.content.blocks import Blocks


async def send_blocks(
    request: web.Request,
    response: web.StreamResponse,
    pool: Executor,
    memory: BlockMemory,
    blocks: Blocks,
    start: int,
    stop: int,
) -> None:
    """Send a response whose body is a part of some blocks.

    The response begins when the first block has been read, so that an error before can still be the
    response. A later error cuts the connection off, for the client to notice.

    Args:
        request: The request that is answered.
        response: The response; its headers are set and nothing has been written.
        pool: The threads that read blocks.
        memory: Lends a buffer for each block.
        blocks: The bytes.
        start: Where the body begins, in bytes from the start of the blocks.
        stop: Where the body ends.

    Raises:
        ConnectionError: The connection is closed; it was cut off.
        TimeoutError: The client has stalled; it was cut off.
        DamagedContent: A block cannot be read. The client was cut off if the response had begun.
        ContentMissing: A block cannot be read. The client was cut off if the response had begun.
    """
    channel: Channel | None = None
    if is_plain_socket(request):
        # A client that does not read earlier responses must not hold a block meanwhile.
        try:
            await drained_transport(request)
        except (ConnectionError, TimeoutError):
            cut_off(request)
            raise
    try:
        while start < stop:
            with await memory.lend() as loan:
                view = await run(pool, blocks.read_into, start, loan.buffer)
                view = view[: stop - start]
                if channel is None:
                    await response.prepare(request)
                    channel = (
                        await Socket.of(request)
                        if is_plain_socket(request)
                        else Stream(response, client_progress(request))
                    )
                sent = 0
                while sent < len(view) and not loan.is_due:
                    sent += await channel.send(view[sent:], memory.patience_s)
                start += sent
                view.release()
            await channel.drain()
    except BaseException:
        if response.prepared:
            cut_off(request)
        raise
    finally:
        if channel is not None:
            channel.close()
    if channel is None:
        await response.prepare(request)
    await response.write_eof()
