"""Clients that take nothing of an answer that waits for them.

Blobs are sent under the eyes of `mirror.transfer`; whatever else is answered is left to aiohttp,
which waits for the client as long as there is a connection, and holds the answer meanwhile. No
timer of its own runs then: that of an idle connection begins when an answer has gone, and one that
is closed stays until its last byte has.
"""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING

from mirror.transfer.client_progress import look_again_s

if TYPE_CHECKING:
    from collections.abc import Collection

    from mirror.connections.connection import Connection
    from mirror.transfer.client_progress import ClientProgress

logger = logging.getLogger(__name__)


async def cut_off_stalled(connections: Collection[Connection]) -> None:
    """Cut off who takes nothing of what waits for it for `mirror.transfer.client_progress.STALL_S`, until cancelled.

    All connections are looked at now and then: a timer for each answer would cost more than most
    answers.
    """
    watched: dict[Connection, ClientProgress] = {}
    while True:
        await asyncio.sleep(look_again_s())
        watched = {one: watched.get(one) or one.taking() for one in connections if one.unsent_bytes}
        for one, taking in watched.items():
            try:
                taking.require()
            except TimeoutError as exc:
                logger.info("an answer was cut off: %s", exc)
                one.abort()
