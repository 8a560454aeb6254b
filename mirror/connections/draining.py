"""The end of a server: what is under way may finish, within one time for all of it."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from aiohttp import web

    from mirror.connections.connection import Connection

logger = logging.getLogger(__name__)

SOON_S: Final = 0.05
"""How often to look, and how long handlers may take to end once they are told to."""


async def end(server: web.Server, connections: Collection[Connection], at_most_s: float) -> None:
    """Wait until every request that has begun is here and answered, whichever takes longer.

    What is not done after so long is cut off.

    aiohttp has a time of its own for each of its steps, and drops what clients send from the first
    one on: so it takes them when nothing is left to wait for.
    """
    until = asyncio.get_running_loop().time() + at_most_s
    stalled = await _left(lambda: [one for one in connections if one.is_receiving], until)
    for one in stalled:
        one.abort()
    server.pre_shutdown()
    unread = await _left(
        lambda: [one for one in connections if one.is_answering and one not in stalled], until
    )
    if stalled or unread:
        logger.info("stopping: cut off requests=%d answers=%d", len(stalled), len(unread))
    await server.shutdown(SOON_S)
    for one in unread:
        one.abort()


async def _left(busy: Callable[[], list[Connection]], until: float) -> list[Connection]:
    """Those that are still ``busy`` at the loop's time ``until``.

    Returns as soon as there are none.
    """
    loop = asyncio.get_running_loop()
    while (found := busy()) and loop.time() < until:  # noqa: ASYNC110 - what a socket holds has to be asked for
        await asyncio.sleep(min(SOON_S, until - loop.time()))
    return found
