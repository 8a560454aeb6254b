"""Send content that is produced block by block during the transfer, such as a decoded layer."""

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
    """Send a response whose body is a range of content that is read in blocks.

    The response begins after the first block has been read, so that an earlier error can still
    become the response. A later error closes the connection, so that the client notices the
    error.

    Args:
        request: The request that is answered.
        response: The response; its headers are set, and nothing has been written.
        pool: The threads that read blocks.
        memory: The memory blocks that all transfers share.
        blocks: The content, in blocks; the body is a range of the content.
        start: The offset of the body's first byte in the content.
        stop: The offset after the body's last byte.

    Raises:
        ConnectionError: The connection is closed.
        TimeoutError: The client has stalled; its connection was closed.
        DamagedContent: Stored bytes no longer have their digest. The connection was closed if the
            response had begun.
        ContentMissing: A stored file is missing. The connection was closed if the response had
            begun.
    """
    channel: Channel | None = None
    if is_plain_socket(request):
        # Wait without a block: the client may not have read earlier responses yet.
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
