"""Archives: the bytes of ``storectl save``, whole or in part, so that a download that broke off goes on where it stopped."""

from __future__ import annotations

import logging
from contextlib import closing
from typing import TYPE_CHECKING

from aiohttp import web

from exporter import open_save
from exporter.output.tar_range import identity
from mirror.access import Action
from mirror.api.byte_range import wanted
from mirror.protocol import archive_request as archives
from mirror.protocol.conditions import is_known
from mirror.protocol.errors import WireError
from mirror.transfer.send_blocks import send_blocks
from mirror.transfer.threads import run
from store.errors import DamagedContent, IntegrityError, NotFound, StoreError, printable
from store.model.digests import Digest
from store.registry.registry import BY_ID

if TYPE_CHECKING:
    from exporter import Export
    from mirror.access import Caller
    from mirror.protocol.archive_request import ArchiveRequest
    from mirror.service import Service
    from store.model.references import Repository

logger = logging.getLogger(__name__)


async def get(
    service: Service, request: web.Request, caller: Caller, path: str
) -> web.StreamResponse:
    """GET and HEAD; ``path`` is what follows ``/archives/``."""
    asked = archives.parse(path, request.query.items(), service.names, service.settings.machine)
    await _permit(service, caller, asked)
    work = service.work
    # Planned anew for every request, whichever process gets it: what makes two parts fit each other
    # is the plan, not a memory of the first.
    opened = open_save(service.store, asked.arguments, options=asked.options, record=False)
    export = await run(work.planners, opened.__enter__)
    try:
        if not service.access.allows_everywhere(caller, Action.READ):
            await _require_readable(service, caller, export)
        return await _answer(service, request, asked, export)
    finally:
        await run(work.planners, opened.__exit__, None, None, None)


async def _answer(
    service: Service, request: web.Request, asked: ArchiveRequest, export: Export
) -> web.StreamResponse:
    work, size = service.work, export.size_bytes
    tag = f'"{await run(work.planners, identity, export.plan)}"'
    headers = {
        "ETag": tag,
        "Accept-Ranges": "bytes",
        "Content-Type": "application/x-tar",
        "Content-Disposition": f'attachment; filename="{asked.file_name}"',
        # The same name may give another archive tomorrow.
        "Cache-Control": "no-cache",
    }
    if is_known(request.headers.get("If-None-Match"), tag):
        return web.Response(status=304, headers=headers)
    part = wanted(request, tag, size)
    start, stop = (0, size) if part is None else (part.start, part.stop)
    if part is not None:
        headers["Content-Range"] = part.content_range
    headers["Content-Length"] = str(stop - start)
    response = web.StreamResponse(status=200 if part is None else 206, headers=headers)
    for note in export.notes:
        response.headers.add(
            "Storectl-Note", printable(note).encode("ascii", "backslashreplace").decode()
        )
    if request.method == "HEAD":
        await response.prepare(request)
        await response.write_eof()
        return response
    await _send(service, request, response, export, start, stop)
    return response


async def _send(
    service: Service,
    request: web.Request,
    response: web.StreamResponse,
    export: Export,
    start: int,
    stop: int,
) -> None:
    work = service.work
    try:
        with closing(export.blocks()) as blocks:
            await send_blocks(request, response, work.decoders, work.memory, blocks, start, stop)
    except (ConnectionError, TimeoutError) as exc:
        logger.info("a transfer of an archive was cut off: %s", exc)
    except IntegrityError as exc:
        if isinstance(exc, DamagedContent):
            await work.write(service.store.report_damage, exc)
        logger.error("%s", exc.message)  # noqa: TRY400 - what is wrong is known, a traceback would say nothing
        if not response.prepared:
            raise
    else:
        if stop == export.size_bytes:
            await _record(service, export)


async def _record(service: Service, export: Export) -> None:
    try:
        await service.work.write(export.record)
    except StoreError as exc:
        # The client has all of it: that is no failure of its request.
        logger.warning("an archive was sent, and could not be recorded: %s", exc.message)


async def _require_readable(service: Service, caller: Caller, export: Export) -> None:
    """What a manifest or a config names need not be what its repository was ever given: whoever may push could name what only others may read."""

    def may_read(repository: Repository) -> bool:
        return service.access.allows(caller, Action.READ, repository)

    if await service.work.read(service.registry.unreadable, export.contents, may_read):
        # Without a list: whoever knows the digest of a manifest would learn from it what the
        # manifest names.
        raise WireError(404, "MANIFEST_BLOB_UNKNOWN", "not everything in these images can be read")


async def _permit(service: Service, caller: Caller, asked: ArchiveRequest) -> None:
    """Every name has to be one that the caller may read.

    A digest is, when a repository that the caller may read holds it.
    """
    for name in asked.names:
        if not isinstance(name, Digest):
            service.permit(caller, Action.READ, name.repository)
            continue
        holders = await service.work.read(service.registry.image_holders, name)
        if not any(service.access.allows(caller, Action.READ, holder) for holder in holders):
            # As for a digest that is not here: nobody learns what others have. Whoever may read
            # nothing there is asked to log in.
            service.permit(caller, Action.READ, BY_ID)
            raise NotFound(f"no image or manifest {name}")
