"""Cut off clients that do not read the answers that aiohttp sends.

`mirror.transfer` watches clients that download blobs. aiohttp sends all other answers. aiohttp
keeps an answer in memory and waits for the client without a time limit: aiohttp's timer for idle
connections starts only after an answer is sent, and a closing connection stays open until its last
byte is sent.
"""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING

from mirror.transfer.client_progress import check_interval_s

if TYPE_CHECKING:
    from collections.abc import Collection

    from mirror.connections.connection import Connection
    from mirror.transfer.client_progress import ClientProgress

logger = logging.getLogger(__name__)


async def cut_off_stalled(connections: Collection[Connection]) -> None:
    """Until cancelled, abort each connection whose client reads no byte for `STALL_S` seconds.

    One loop checks all connections: a timer per answer would cost more than most answers.

    Args:
        connections: The open connections.
    """
    watched: dict[Connection, ClientProgress] = {}
    while True:
        await asyncio.sleep(check_interval_s())
        watched = {
            connection: watched.get(connection) or connection.watch_progress()
            for connection in connections
            if connection.unsent_bytes
        }
        for connection, client_progress in watched.items():
            try:
                client_progress.raise_if_stalled()
            except TimeoutError as exc:
                logger.info("an answer was cut off: %s", exc)
                connection.abort()
