"""Blobs: whole or in part, from their file or decoded on the way."""

from __future__ import annotations

import logging
from contextlib import ExitStack, closing
from typing import TYPE_CHECKING, BinaryIO

from aiohttp import web

from mirror.api.byte_range import wanted
from mirror.protocol.conditions import etag, is_known
from mirror.transfer.send_blocks import send_blocks
from mirror.transfer.send_file import send_file
from mirror.transfer.threads import run
from store.content import presence
from store.content.blocks import open_blocks
from store.errors import DamagedContent, IntegrityError

if TYPE_CHECKING:
    from mirror.api.call import Call
    from store.model.contents import Sources

logger = logging.getLogger(__name__)


async def get(call: Call) -> web.StreamResponse:
    """GET and HEAD."""
    with ExitStack() as opened:
        return await _get(call, opened)


async def _get(call: Call, opened: ExitStack) -> web.StreamResponse:
    service, request, digest = call.service, call.request, call.digest
    sources, file = await _find(call)
    if file is not None:
        opened.enter_context(file)
    if request.method == "HEAD":
        # Who asks whether a blob is here is about to rely on it.
        await service.pools.write(service.registry.renew, call.repository, digest)
    tag = etag(digest)
    headers = {
        "Docker-Content-Digest": str(digest),
        "ETag": tag,
        "Accept-Ranges": "bytes",
        "Content-Type": "application/octet-stream",
    }
    if is_known(request.headers.get("If-None-Match"), tag):
        return web.Response(status=304, headers=headers)
    part = wanted(request, tag, sources.size_bytes)
    start, stop = (0, sources.size_bytes) if part is None else (part.start, part.stop)
    if part is not None:
        headers["Content-Range"] = part.content_range
    headers["Content-Length"] = str(stop - start)
    response = web.StreamResponse(status=200 if part is None else 206, headers=headers)
    if request.method == "HEAD" or start == stop:
        await response.prepare(request)
        await response.write_eof()
        return response
    await _send(call, response, sources, file, start, stop)
    return response


async def _find(call: Call) -> tuple[Sources, BinaryIO | None]:
    """Where a blob is, and its file if it lies in one as it is asked for.

    Raises RepositoryNotFound, ContentNotFound.
    """
    service = call.service
    if call.request.method == "GET":
        quick = service.registry.quick_blob(call.repository, call.digest)
        # What takes no time is no work for a thread, and most files that are asked for were asked
        # for before.
        if (
            quick is not None
            and (file := presence.open_if_cached(service.store.blobs, quick)) is not None
        ):
            return quick, file
    # Before a client pushes a blob it asks whether that is here.
    service.registry.require_held(call.repository, call.digest)
    sources = await service.pools.read(service.registry.blob, call.repository, call.digest)
    return sources, (
        await service.pools.read(presence.open_if_intact, service.store.blobs, sources)
        if call.request.method == "GET"
        else None
    )


async def _send(
    call: Call,
    response: web.StreamResponse,
    sources: Sources,
    file: BinaryIO | None,
    start: int,
    stop: int,
) -> None:
    service, request = call.service, call.request
    try:
        if file is not None:
            await send_file(request, response, service.pools, file, start, stop)
        else:
            pools = service.pools
            with closing(
                await run(pools.files, open_blocks, service.store.blobs, sources)
            ) as blocks:
                await send_blocks(
                    request, response, pools.decoders, pools.block_memory, blocks, start, stop
                )
    except (ConnectionError, TimeoutError) as exc:
        logger.info("a transfer of blob=%s was cut off: %s", sources.digest, exc)
    except OSError as exc:
        # The disk, when the answer had begun.
        logger.error(  # noqa: TRY400
            "a transfer of blob=%s was cut off: it cannot be read: %s", sources.digest, exc
        )
    except DamagedContent as exc:
        await service.pools.write(service.store.report_damage, exc)
        _give_up(response, exc)
    except IntegrityError as exc:
        _give_up(response, exc)


def _give_up(response: web.StreamResponse, error: IntegrityError) -> None:
    """What is stored is not what was stored: say so, to the client too unless it has been promised a body already (which was cut off then)."""
    logger.error("%s", error.message)
    if not response.prepared:
        raise error


async def delete(call: Call) -> web.StreamResponse:
    """DELETE."""
    await call.service.pools.write(call.service.registry.delete_blob, call.repository, call.digest)
    return web.Response(status=202)
