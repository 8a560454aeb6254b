"""Archives of images, whole or in byte ranges, so that an interrupted download can resume."""

from __future__ import annotations

import logging
from contextlib import AsyncExitStack
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from aiohttp import web

from mirror.access import Action
from mirror.access.throttle import client_network
from mirror.api.byte_range import wanted
from mirror.api.decoded import send_decoded
from mirror.connections.departures import watched
from mirror.origin.origins import address, is_from_other_site
from mirror.planning.archive_plans import Planning, Reader
from mirror.planning.turns import Busy
from mirror.protocol import archive_request
from mirror.protocol.conditions import is_known
from mirror.protocol.errors import Denial, WireError
from store.errors import DamagedContent, IntegrityError, NotFound, StoreError, printable
from store.formats.distribution.errors import ErrorCode
from store.formats.distribution.names import BY_ID
from store.model.actors import Actor
from store.model.digests import Digest
from store.model.limits import ANONYMOUS_ARCHIVES, ArchiveLimits

if TYPE_CHECKING:
    from collections.abc import Sequence

    from exporter import Export, SaveOptions
    from mirror.access import Caller
    from mirror.planning.archive_plans import PlannedArchive
    from mirror.protocol.archive_request import ArchiveRequest
    from mirror.service import Service

logger = logging.getLogger(__name__)

MAX_NOTES: Final = 20
"""The number of notes in the head of an answer."""

MAX_NOTE_BYTES: Final = 300
"""The length of one note in the head of an answer."""

_RETRY_AFTER_S: Final = 2
"""The delay that a client is told if too many archives are being prepared, in seconds."""


async def get(
    service: Service, request: web.Request, caller: Caller, path: str
) -> web.StreamResponse:
    """Answer GET and HEAD of an archive.

    Args:
        service: The registry whose images are saved.
        request: A request for an archive.
        caller: The caller, who needs permission to read every image.
        path: The path after ``/archives/``.

    Raises:
        WireError: The request is invalid, or the caller lacks a permission.
        StoreError: The images cannot be saved.
    """
    archive = archive_request.parse(
        path, request.query.items(), service.names, service.settings.machine
    )
    await _require_permission(service, caller, archive)
    planning = Planning(
        replace(archive, options=_restricted(service, caller, archive.options)),
        client=_client(request, caller),
        reader=Reader(caller, service.access),
        ceilings=_ceilings(service, caller),
    )
    async with AsyncExitStack() as held:
        # Two ranges of an archive fit together, whichever process answers, because equal requests
        # make equal plans.
        try:
            async with watched(request) as departure:
                planned = await held.enter_async_context(service.plans.use(planning, departure))
        except Busy as exc:
            raise _refusal(exc) from None
        return await _answer(service, request, caller, archive, planned)


def _client(request: web.Request, caller: Caller) -> str:
    """Return the name under which a client waits for its plans: its user, or its network."""
    if caller.user is not None:
        return f"user:{caller.user}"
    return f"network:{client_network(address(request))}"


def _ceilings(service: Service, caller: Caller) -> ArchiveLimits:
    """Return what an archive for a caller may contain: less if the caller could log in."""
    if caller.user is None and service.access.has_logins:
        return ANONYMOUS_ARCHIVES
    return ArchiveLimits()


def _refusal(busy: Busy) -> WireError:
    return WireError(
        429 if busy.of_client else 503,
        ErrorCode.TOOMANYREQUESTS if busy.of_client else ErrorCode.UNAVAILABLE,
        "too many archives are being prepared; try again later",
        headers={"Retry-After": str(_RETRY_AFTER_S)},
    )


async def _answer(
    service: Service,
    request: web.Request,
    caller: Caller,
    archive: ArchiveRequest,
    planned: PlannedArchive,
) -> web.StreamResponse:
    export = planned.export
    size, tag = export.size_bytes, f'"{planned.tag}"'
    headers = {
        "ETag": tag,
        "Accept-Ranges": "bytes",
        "Content-Type": "application/x-tar",
        "Content-Disposition": f'attachment; filename="{archive.file_name}"',
        # A tag may move, and then the same URL returns a different archive.
        "Cache-Control": "no-cache",
    }
    if is_known(request.headers.get("If-None-Match"), tag):
        return web.Response(status=304, headers=headers)
    selected = wanted(request, tag, size)
    start, stop = (0, size) if selected is None else (selected.start, selected.stop)
    if selected is not None:
        headers["Content-Range"] = selected.content_range
    headers["Content-Length"] = str(stop - start)
    response = web.StreamResponse(status=200 if selected is None else 206, headers=headers)
    for note in notes(export.notes):
        response.headers.add("Storectl-Note", note)
    if request.method == "HEAD":
        await response.prepare(request)
        await response.write_eof()
        return response
    sent = await _send(service, request, response, export, start, stop)
    if sent and _is_taken(size, start, stop) and not is_from_other_site(request):
        await _record(service, Actor(caller.user, address(request)), export)
    return response


def notes(texts: Sequence[str]) -> list[str]:
    """Return the values of ``Storectl-Note``; clients refuse answers with large heads.

    Args:
        texts: The notes of the export.
    """
    values = [
        printable(text).encode("ascii", "backslashreplace").decode() for text in texts[:MAX_NOTES]
    ]
    shown = [
        value if len(value) <= MAX_NOTE_BYTES else f"{value[:MAX_NOTE_BYTES]}..."
        for value in values
    ]
    if len(texts) > MAX_NOTES:
        shown.append(f"{len(texts) - MAX_NOTES} more notes")
    return shown


def _is_taken(size_bytes: int, start: int, stop: int) -> bool:
    """Return whether a client that has received a range probably has the whole archive.

    The last response of an interrupted download counts if it carries half of the archive. A few
    bytes from the end do not count: they would cost an event for each image.
    """
    return stop == size_bytes and stop - start >= size_bytes // 2


async def _send(
    service: Service,
    request: web.Request,
    response: web.StreamResponse,
    export: Export,
    start: int,
    stop: int,
) -> bool:
    """Send a range of the archive; return whether the client has received all of it."""
    pools = service.pools
    try:
        whole = (start, stop) == (0, export.size_bytes)
        await send_decoded(
            service,
            request,
            response,
            lambda network: export.blocks(whole=whole, owner=network),
            start,
            stop,
        )
    except (ConnectionError, TimeoutError) as exc:
        logger.info("the transfer of an archive was cut off: %s", exc)
    except IntegrityError as exc:
        if isinstance(exc, DamagedContent):
            await pools.write(service.store.report_damage, exc)
        logger.error("%s", exc.message)  # noqa: TRY400 - the cause is known, a traceback would not help
        if not response.prepared:
            raise
    else:
        return True
    return False


async def _record(service: Service, actor: Actor, export: Export) -> None:
    try:
        await service.pools.write(export.record_read, actor.user, actor.address)
    except StoreError as exc:
        # The client has the whole archive, so its request succeeds.
        logger.warning("cannot record an archive that was sent: %s", exc.message)


def _restricted(service: Service, caller: Caller, options: SaveOptions) -> SaveOptions:
    """Return the options with which an image ID stands only for what the caller may read.

    A name stands for the content of its repository, so its permission is enough.
    """
    access = service.access
    if access.allows_everywhere(caller, Action.READ):
        return options
    return replace(
        options, may_read=lambda repository: access.allows(caller, Action.READ, repository)
    )


async def _require_permission(service: Service, caller: Caller, archive: ArchiveRequest) -> None:
    """Raise unless the caller may read every image that the request names.

    A caller may read an image by digest if it may read a repository that holds the image.
    """
    for name in dict.fromkeys(archive.names):
        if not isinstance(name, Digest):
            service.require_permission(caller, Action.READ, name.repository)
            continue
        holders = await service.pools.read(service.registry.image_holders, name)
        if not any(service.access.allows(caller, Action.READ, holder) for holder in holders):
            # Answer as for an unknown digest, so that callers do not learn what other repositories
            # hold. A caller that may not read images without a name is refused or has to log in.
            service.require_permission(caller, Action.READ, BY_ID)
            error = WireError.of(NotFound(f"no image or manifest has the digest {name}"))
            if holders:
                error.denial = Denial("no permission", Action.READ, str(holders[0]))
            raise error
