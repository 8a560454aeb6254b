"""Requests for blobs or parts of blobs; a blob is sent from a file, or decoded and sent."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from aiohttp import web

from mirror.access import Action
from mirror.api import through
from mirror.api.byte_range import wanted
from mirror.api.decoded import send_decoded
from mirror.origin.origins import is_from_other_site
from mirror.protocol.conditions import etag, is_known
from mirror.transfer.send_file import send_file
from remote.through.counts import Outcome
from remote.through.fetches import NowStored
from store.errors import DamagedContent, IntegrityError, NotFound
from store.registry.blobs import unknown_blob

if TYPE_CHECKING:
    from mirror.api.call import Call
    from store.registry.blobs import ServedBlob

logger = logging.getLogger(__name__)


async def get(call: Call) -> web.StreamResponse:
    """Answer GET and HEAD of a blob.

    Args:
        call: The request, with a repository and a digest.

    Raises:
        WireError: The digest is invalid, or the blob has no byte in the range.
        ContentNotFound: The repository does not hold the blob.
        DamagedContent: The blob was found damaged before the response began.
        ContentMissing: The blob's file was found missing before the response began.
    """
    registry = call.service.registry
    try:
        # Many requests are for missing blobs that the client is about to push: they need no thread.
        likely = registry.find_blob(call.repository, call.digest)
        blob = await call.service.pools.read(
            registry.open_blob, call.repository, call.digest, likely
        )
    except NotFound:
        upstream = call.upstream
        if upstream is None or _is_before_push(call):
            # A client that is told of a blob does not send it, so a push would lack the blobs that
            # only the upstream registry has.
            raise
        try:
            return await through.blob(call, upstream)
        except NowStored:
            blob = await call.service.pools.read(registry.open_blob, call.repository, call.digest)
    upstream = call.upstream
    if upstream is not None:
        upstream.counts.requests[call.repository.domain, Outcome.HIT] += 1
    with blob:
        return await _answer(call, blob)


def _is_before_push(call: Call) -> bool:
    """Return whether a client that may push checks for a blob, because it may rely on it."""
    return (
        call.request.method == "HEAD"
        and not is_from_other_site(call.request)
        and call.service.access.allows(call.caller, Action.WRITE, call.repository)
    )


async def _answer(call: Call, blob: ServedBlob) -> web.StreamResponse:
    service, request, digest = call.service, call.request, call.digest
    if _is_before_push(call) and not await service.pools.write(
        service.registry.renew, call.repository, digest
    ):
        raise unknown_blob(call.repository, digest)
    tag = etag(digest)
    headers = {
        "Docker-Content-Digest": str(digest),
        "ETag": tag,
        "Accept-Ranges": "bytes",
        "Content-Type": "application/octet-stream",
    }
    if is_known(request.headers.get("If-None-Match"), tag):
        return web.Response(status=304, headers=headers)
    part = wanted(request, tag, blob.size_bytes)
    start, stop = (0, blob.size_bytes) if part is None else (part.start, part.stop)
    if part is not None:
        headers["Content-Range"] = part.content_range
    headers["Content-Length"] = str(stop - start)
    response = web.StreamResponse(status=200 if part is None else 206, headers=headers)
    if request.method == "HEAD" or start == stop:
        await response.prepare(request)
        await response.write_eof()
        return response
    await _send(call, response, blob, start, stop)
    return response


async def _send(
    call: Call, response: web.StreamResponse, blob: ServedBlob, start: int, stop: int
) -> None:
    pools = call.service.pools
    try:
        if blob.file is not None:
            await send_file(call.request, response, pools, blob.file, start, stop)
        else:
            whole = (start, stop) == (0, blob.size_bytes)
            await send_decoded(
                call.service,
                call.request,
                response,
                lambda network: blob.blocks(whole=whole, owner=network),
                start,
                stop,
            )
    except (ConnectionError, TimeoutError) as exc:
        logger.info("the transfer of blob=%s was cut off: %s", blob.digest, exc)
    except OSError as exc:
        # The disk failed after the response had begun.
        logger.error(  # noqa: TRY400
            "the transfer of blob=%s was cut off: cannot read the blob: %s", blob.digest, exc
        )
    except DamagedContent as exc:
        await pools.write(call.service.store.report_damage, exc)
        _log_or_raise(response, exc)
    except IntegrityError as exc:
        _log_or_raise(response, exc)


def _log_or_raise(response: web.StreamResponse, error: IntegrityError) -> None:
    """Log that stored bytes are wrong, and raise the error if the response has not begun.

    If the response has begun, the connection has already been closed.
    """
    logger.error("%s", error.message)
    if not response.prepared:
        raise error


async def delete(call: Call) -> web.StreamResponse:
    """Answer DELETE of a blob.

    Args:
        call: The request, with a repository and a digest.

    Raises:
        WireError: The digest is invalid.
        RepositoryNotFound: There is no such repository.
        ContentNotFound: The repository does not hold the blob.
    """
    await call.service.pools.write(call.service.registry.delete_blob, call.repository, call.digest)
    return web.Response(status=202)
