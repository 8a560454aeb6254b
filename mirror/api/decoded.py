"""Answers whose body is decoded while it is sent: layers in another encoding, and archives."""

from __future__ import annotations

import logging
import time
from contextlib import closing
from typing import TYPE_CHECKING

from mirror.access.throttle import client_network
from mirror.origin.origins import address
from mirror.protocol.errors import WireError
from mirror.transfer.decoding_account import DecodingAccount, DecodingRefusedError
from mirror.transfer.send_blocks import send_blocks
from mirror.transfer.threads import run
from store.formats.compression.memory import DecodersBusy
from store.formats.distribution.errors import ErrorCode

if TYPE_CHECKING:
    from collections.abc import Callable

    from aiohttp import web

    from mirror.service import Service
    from store.content.blocks import Blocks

logger = logging.getLogger(__name__)


async def send_decoded(
    service: Service,
    request: web.Request,
    response: web.StreamResponse,
    open_blocks: Callable[[str], Blocks],
    start: int,
    stop: int,
) -> None:
    """Send a range of content that is read in blocks.

    Args:
        service: The registry that answers.
        request: The request that is answered.
        response: The response; its headers are set, and nothing has been written.
        open_blocks: Opens the content; called in a thread with the network of the client.
        start: The offset of the body's first byte in the content.
        stop: The offset after the body's last byte.

    Raises:
        WireError: The client has spent its processor time, or the memory for decoders is in use.
        ConnectionError: The connection is closed.
        TimeoutError: The client has stalled.
        IntegrityError: Stored bytes are wrong or missing.
    """
    pools, network = service.pools, client_network(address(request))
    account = DecodingAccount(service.settings.decoding_debts, network, time.monotonic)
    try:
        with closing(await run(pools.decoders, open_blocks, network)) as blocks:
            await send_blocks(
                request,
                response,
                pools.decoders,
                pools.block_memory,
                blocks,
                start,
                stop,
                account=account,
            )
    except DecodingRefusedError as exc:
        service.metrics.count_event("throttled_decoding")
        raise WireError(
            429,
            ErrorCode.TOOMANYREQUESTS,
            "this range needs much decoding; try again later, or download from the beginning",
            headers={"Retry-After": str(int(exc.wait_s) + 1)},
        ) from None
    except DecodersBusy as exc:
        logger.warning("%s", exc.message)
        raise WireError(
            503,
            ErrorCode.UNAVAILABLE,
            "other transfers use the memory for decoding; try again later",
            headers={"Retry-After": "5"},
        ) from None
