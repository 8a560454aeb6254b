"""What is made on the way, a block at a time."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mirror.transfer.channels import (
    Channel,
    Socket,
    Stream,
    can_be_fed,
    cut_off,
    drained,
    taking_of,
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
    """Send the bytes of ``blocks`` from ``start`` to before ``stop``, with as much memory as `BlockMemory` gives.

    Before the first block has been read nothing is said, so that a failure can be answered; later
    ones cut the connection, for the client to see.
    """
    channel: Channel | None = None
    if can_be_fed(request):
        # Who does not take earlier answers must not hold a block meanwhile.
        try:
            await drained(request)
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
                        if can_be_fed(request)
                        else Stream(response, taking_of(request))
                    )
                taken = 0
                while taken < len(view) and not loan.is_due:
                    taken += await channel.send(view[taken:], memory.patience_s)
                start += taken
                view.release()
            await channel.settle()
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
