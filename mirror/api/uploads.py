"""Uploads: begun, continued, asked after, finished, given up; and mounts, which need none."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

from aiohttp import web

from mirror.access import Action
from mirror.api.call import parse_digest
from mirror.protocol import ranges
from mirror.protocol.errors import WireError
from mirror.transfer.body_pace import BodyDeadline
from mirror.transfer.receiving import receive
from mirror.transfer.threads import run
from store.errors import InvalidReference, TooLarge
from store.registry.registry import BY_ID

if TYPE_CHECKING:
    from mirror.api.call import Call
    from store.model.digests import Digest
    from store.model.references import Repository
    from store.registry.uploads import Upload

_ALGORITHMS: Final = ("sha256", "sha512")


async def begin(call: Call) -> web.StreamResponse:
    """POST: a mount, a whole blob at once, or the beginning of an upload."""
    service, query = call.service, call.request.query
    if call.repository == BY_ID:
        raise WireError(405, "UNSUPPORTED", "nothing is pushed to images without a name")
    if query.get("digest-algorithm", "sha256") not in _ALGORITHMS:
        raise WireError(400, "DIGEST_INVALID", f"digests are of {' or '.join(_ALGORITHMS)}")
    if "mount" in query:
        digest = parse_digest(query["mount"])
        if await _mounted(call, digest):
            return _created(call, digest)
    elif "digest" in query:
        digest = parse_digest(query["digest"])
        upload = await service.work.write(service.registry.uploads.once, call.repository)
        return await _finish(call, upload, digest)
    upload_id = await service.work.write(service.registry.uploads.begin, call.repository)
    return _accepted(call, upload_id, 0)


async def _mounted(call: Call, digest: Digest) -> bool:
    """A repository that the caller may read is as good as any other: ``from`` is but a hint, and need not be given."""
    access = call.service.access
    named = call.request.query.get("from")
    source = None
    if named is not None:
        try:
            source = call.service.names.resolve(named, call.request.query.get("ns"))
        except InvalidReference:
            return False

    def readable(repository: Repository) -> bool:
        return (source is None or repository == source) and access.allows(
            call.caller, Action.READ, repository
        )

    return await call.service.work.write(
        call.service.registry.mount, call.repository, digest, readable
    )


async def status(call: Call) -> web.StreamResponse:
    """GET: how far it is."""
    service = call.service
    offset = await service.work.read(service.registry.uploads.offset, call.repository, call.target)
    return _accepted(call, call.target, offset, status=204)


async def append(call: Call) -> web.StreamResponse:
    """PATCH: a piece, or everything in one stream."""
    upload = await call.service.work.write(
        call.service.registry.uploads.resume, call.repository, call.target
    )
    try:
        await _receive(call, upload)
    finally:
        await run(call.service.work.writes, upload.close)
    return _accepted(call, upload.id, upload.offset_bytes)


async def finish(call: Call) -> web.StreamResponse:
    """PUT: the last piece, or everything, or nothing more."""
    if "digest" not in call.request.query:
        raise WireError(400, "DIGEST_INVALID", "an upload is finished with the digest of the whole")
    digest = parse_digest(call.request.query["digest"])
    if call.request.can_read_body:
        upload = await call.service.work.write(
            call.service.registry.uploads.resume, call.repository, call.target
        )
        return await _finish(call, upload, digest)
    await call.service.work.write(_finish_at_once, call, digest)
    return _created(call, digest)


def _finish_at_once(call: Call, digest: Digest) -> None:
    """In a thread: everything has come."""
    with call.service.registry.uploads.resume(call.repository, call.target) as upload:
        _expect_announced(call, upload)
        upload.finish(digest)


async def cancel(call: Call) -> web.StreamResponse:
    """DELETE."""
    await call.service.work.write(
        call.service.registry.uploads.cancel, call.repository, call.target
    )
    return web.Response(status=204)


async def _finish(call: Call, upload: Upload, digest: Digest) -> web.StreamResponse:
    try:
        await _receive(call, upload)
        await run(call.service.work.writes, upload.finish, digest)
    finally:
        await run(call.service.work.writes, upload.close)
    return _created(call, digest)


async def _receive(call: Call, upload: Upload) -> None:
    """Append the request's body."""
    _expect_announced(call, upload)
    settings, work = call.service.settings, call.service.work
    pace = BodyDeadline(
        settings.body_timeout_s, settings.body_rate, asyncio.get_running_loop().time
    )
    try:
        await receive(
            call.request.content,
            pace,
            work.bodies,
            work.ahead,
            upload.write,
            call.service.metrics.received,
        )
    except TimeoutError:
        raise WireError(408, "BLOB_UPLOAD_INVALID", "the body stopped coming") from None


def _expect_announced(call: Call, upload: Upload) -> None:
    """What the headers say of the body has to fit the upload and the body."""
    announced, length = call.request.headers.get("Content-Range"), call.request.content_length
    if announced is not None and length != 0:
        piece = ranges.announced(announced)
        if piece is None:
            raise WireError(
                400, "BLOB_UPLOAD_INVALID", f"Content-Range {announced[:80]!r} makes no sense"
            )
        upload.expect(piece[0])
        if length is not None and length != piece[1]:
            raise WireError(
                400,
                "SIZE_INVALID",
                f"Content-Range announces {piece[1]} bytes, Content-Length {length}",
            )
    most = call.service.registry.uploads.max_bytes
    if length is not None and upload.offset_bytes + length > most:
        raise TooLarge(f"the blob is larger than {most} bytes", limit=most)


def _accepted(call: Call, upload_id: str, offset_bytes: int, *, status: int = 202) -> web.Response:
    location = call.service.location(call.repository, "blobs", "uploads", upload_id)
    # The range of nothing at all cannot be written: 0-0 is what registries have always said.
    headers = {
        "Location": location,
        "Range": f"0-{max(0, offset_bytes - 1)}",
        "Docker-Upload-UUID": upload_id,
    }
    return web.Response(status=status, headers=headers)


def _created(call: Call, digest: Digest) -> web.Response:
    headers = {
        "Location": call.service.location(call.repository, "blobs", str(digest)),
        "Docker-Content-Digest": str(digest),
    }
    return web.Response(status=201, headers=headers)
