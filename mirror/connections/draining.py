"""Draining: the server stops when all running requests have finished, or after a time limit."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from aiohttp import web

    from mirror.connections.connection import Connection

logger = logging.getLogger(__name__)

POLL_INTERVAL_S: Final = 0.05
"""The interval between two checks, and the time that cancelled handlers have to end, in seconds."""


async def drain(server: web.Server, connections: Collection[Connection], grace_s: float) -> None:
    """Wait until every request that has begun is received and answered, then shut down.

    aiohttp's own shutdown has a time limit for each step, and its first step already drops bytes
    that clients send. So aiohttp's shutdown is called only when no request is left or the time is
    over.

    Args:
        server: The server of aiohttp, which no longer accepts connections.
        connections: The open connections.
        grace_s: How long to wait, in seconds; requests that take longer are cut off.
    """
    deadline = asyncio.get_running_loop().time() + grace_s
    stalled = await _wait(lambda: [one for one in connections if one.is_receiving], deadline)
    for one in stalled:
        one.abort()
    server.pre_shutdown()
    unread = await _wait(
        lambda: [one for one in connections if one.is_answering and one not in stalled], deadline
    )
    if stalled or unread:
        logger.info("stopping: cut off requests=%d answers=%d", len(stalled), len(unread))
    await server.shutdown(POLL_INTERVAL_S)
    for one in unread:
        one.abort()


async def _wait(busy: Callable[[], list[Connection]], deadline: float) -> list[Connection]:
    """Wait until no connection is busy, and return the connections still busy at the deadline."""
    loop = asyncio.get_running_loop()
    while (found := busy()) and loop.time() < deadline:  # noqa: ASYNC110 - the kernel has no event for it
        await asyncio.sleep(min(POLL_INTERVAL_S, deadline - loop.time()))
    return found
