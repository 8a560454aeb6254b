"""Answers whose body is a document in memory: manifests, indexes and lists."""

from __future__ import annotations

import hashlib
import logging
from functools import partial
from typing import TYPE_CHECKING

from aiohttp import web

from mirror.access.throttle import client_network
from mirror.origin.origins import address
from mirror.transfer.channels import hang_up
from mirror.transfer.send_document import SMALL_BYTES, send_document

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mirror.service import Service

logger = logging.getLogger(__name__)


async def answer(
    service: Service,
    request: web.Request,
    document: bytes,
    headers: Mapping[str, str],
    *,
    key: object = None,
) -> web.StreamResponse:
    """Answer a request with a document.

    The caller should keep no reference to a large document: otherwise the document is in memory
    once for each client that reads it.

    Args:
        service: The registry that answers the request.
        request: The request.
        document: The body.
        headers: The headers of the answer, with ``Content-Type``.
        key: A value that only equal documents have; None to compute the digest.
    """
    if len(document) <= SMALL_BYTES or request.method == "HEAD":
        # For HEAD, aiohttp sends the length of the body and leaves out the body.
        return web.Response(body=document, headers=headers)
    response = web.StreamResponse(headers={**headers, "Content-Length": str(len(document))})
    if key is None:
        key = hashlib.sha256(document, usedforsecurity=False).digest()
    document = service.documents.shared(key, document)
    network = client_network(address(request))
    with service.documents.held(key, document, network, partial(hang_up, request)):
        try:
            await send_document(request, response, document)
        except (ConnectionError, TimeoutError) as exc:
            logger.info("the transfer of a document was cut off: %s", exc)
    return response
