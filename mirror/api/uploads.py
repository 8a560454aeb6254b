"""Requests that begin, continue, finish or cancel an upload, or mount a stored blob."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

from aiohttp import web

from mirror.access import Action
from mirror.access.throttle import client_network
from mirror.api.call import parse_digest
from mirror.connections.expectation import ask_for_body
from mirror.origin.origins import address
from mirror.protocol import ranges
from mirror.protocol.errors import WireError
from mirror.transfer.body_deadline import BodyDeadline
from mirror.transfer.receiving import receive
from mirror.transfer.threads import run
from store.errors import InvalidReference
from store.formats.distribution.errors import ErrorCode
from store.formats.distribution.names import BY_ID
from store.registry.upload_owner import UploadOwner

if TYPE_CHECKING:
    from mirror.api.call import Call
    from store.model.digests import Digest
    from store.model.references import Repository
    from store.registry.upload import Upload

_ALGORITHMS: Final = ("sha256", "sha512")


async def begin(call: Call) -> web.StreamResponse:
    """Answer POST: mount a blob, store a whole blob, or begin an upload.

    Args:
        call: The request, with the repository that is to serve the blob.

    Raises:
        WireError: A parameter or header is invalid, or the body does not arrive in time.
        TooManyUploads: Too many uploads are in progress.
        DigestMismatch: The digest of the body is not the digest that the request states.
        OutOfOrder: ``Content-Range`` of a whole blob does not begin at 0.
        TooLarge: The blob is larger than a blob may be.
    """
    service, query = call.service, call.request.query
    if call.repository == BY_ID:
        raise WireError(
            405,
            ErrorCode.UNSUPPORTED,
            f"cannot push to {BY_ID}: this repository serves images without a name",
        )
    if query.get("digest-algorithm", "sha256") not in _ALGORITHMS:
        raise WireError(
            400,
            ErrorCode.DIGEST_INVALID,
            f"unsupported digest-algorithm: expected {' or '.join(_ALGORITHMS)}",
        )
    if "mount" in query:
        digest = parse_digest(query["mount"])
        if await _mount(call, digest):
            return _created(call, digest)
    elif "digest" in query:
        digest = parse_digest(query["digest"])
        upload = await service.pools.write(_once, call)
        return await _finish(call, upload, digest)
    upload_id = await service.pools.write(
        service.registry.uploads.begin, call.repository, _owner(call)
    )
    return _accepted(call, upload_id, 0)


async def _mount(call: Call, digest: Digest) -> bool:
    """Mount a blob from a repository that the caller may read.

    Without the parameter ``from``, every repository that the caller may read is searched.

    Returns:
        Whether the repository of the request serves the blob now.
    """
    access = call.service.access
    name = call.request.query.get("from")
    source = None
    if name is not None:
        try:
            source = call.service.names.resolve(name, call.request.query.get("ns"))
        except InvalidReference:
            return False

    def may_read(repository: Repository) -> bool:
        return access.allows(call.caller, Action.READ, repository)

    return await call.service.pools.write(
        call.service.registry.mount, call.repository, digest, may_read, source
    )


async def status(call: Call) -> web.StreamResponse:
    """Answer GET with the upload's offset.

    Args:
        call: The request, with a repository and the name of an upload.

    Raises:
        UploadNotFound: There is no such upload.
    """
    service = call.service
    offset = await service.pools.read(
        service.registry.uploads.offset, call.repository, call.target, _owner(call)
    )
    return _accepted(call, call.target, offset, status=204)


async def append(call: Call) -> web.StreamResponse:
    """Answer PATCH: append a chunk, or the whole blob as one stream.

    Args:
        call: The request, with a repository and the name of an upload.

    Raises:
        WireError: A header is invalid, or the body does not arrive in time.
        UploadNotFound: There is no such upload.
        UploadInUse: Another request is writing to the upload.
        OutOfOrder: The chunk does not begin at the upload's offset.
        TooLarge: The blob would be larger than a blob may be.
        StorageFull: The disk has no room for the body.
    """
    upload = await call.service.pools.write(_resumed, call)
    try:
        await _receive(call, upload)
    finally:
        await run(call.service.pools.writes, upload.close)
    return _accepted(call, upload.id, upload.offset_bytes)


async def finish(call: Call) -> web.StreamResponse:
    """Answer PUT: append the last chunk, if there is one, and store the blob.

    Args:
        call: The request, with a repository and the name of an upload.

    Raises:
        WireError: The digest or a header is invalid, or the body does not arrive in time.
        UploadNotFound: There is no such upload.
        UploadInUse: Another request is writing to the upload.
        OutOfOrder: The last chunk does not begin at the upload's offset.
        TooLarge: The blob would be larger than a blob may be.
        StorageFull: The disk has no room for the body.
        DigestMismatch: The digest of the blob is not the digest that the request states.
    """
    if "digest" not in call.request.query:
        raise WireError(
            400,
            ErrorCode.DIGEST_INVALID,
            "missing parameter digest: expected the digest of the whole blob",
        )
    digest = parse_digest(call.request.query["digest"])
    if call.request.can_read_body:
        upload = await call.service.pools.write(_resumed, call)
        return await _finish(call, upload, digest)
    await call.service.pools.write(_finish_without_body, call, digest)
    return _created(call, digest)


def _once(call: Call) -> Upload:
    """Begin an upload that ends with this request; called in a thread."""
    return _admitted(call, call.service.registry.uploads.once(call.repository))


def _resumed(call: Call) -> Upload:
    """Continue the upload that the request names; called in a thread."""
    uploads = call.service.registry.uploads
    return _admitted(call, uploads.resume(call.repository, call.target, _owner(call)))


def _admitted(call: Call, upload: Upload) -> Upload:
    """Return the upload if the headers of the body fit it; else end the access to it and raise."""
    try:
        _check_headers(call, upload)
    except BaseException:
        upload.close()
        raise
    return upload


def _finish_without_body(call: Call, digest: Digest) -> None:
    """Store the blob of an upload that is complete; called in a thread."""
    with call.service.registry.uploads.resume(call.repository, call.target, _owner(call)) as upload:
        _check_headers(call, upload)
        upload.finish(digest)


async def cancel(call: Call) -> web.StreamResponse:
    """Answer DELETE: discard the upload.

    Args:
        call: The request, with a repository and the name of an upload.

    Raises:
        UploadNotFound: There is no such upload.
        UploadInUse: Another request is writing to the upload.
    """
    await call.service.pools.write(
        call.service.registry.uploads.cancel, call.repository, call.target, _owner(call)
    )
    return web.Response(status=204)


def _owner(call: Call) -> UploadOwner:
    """Return the owner of the uploads that the caller begins."""
    user = call.caller.user
    if user is not None:
        return UploadOwner.user(user)
    return UploadOwner.network(client_network(address(call.request)))


async def _finish(call: Call, upload: Upload, digest: Digest) -> web.StreamResponse:
    try:
        with call.requiring(Action.WRITE):
            await _receive(call, upload)
        await run(call.service.pools.writes, upload.finish, digest)
    finally:
        await run(call.service.pools.writes, upload.close)
    return _created(call, digest)


async def _receive(call: Call, upload: Upload) -> None:
    """Append the body of the request to the upload."""
    await ask_for_body(call.request)
    settings, pools = call.service.settings, call.service.pools
    deadline = BodyDeadline(
        settings.body_timeout_s, settings.body_rate, asyncio.get_running_loop().time
    )
    try:
        await receive(
            call.request.content,
            deadline,
            pools.bodies,
            pools.body_memory,
            upload.write,
            call.service.metrics.count_received,
        )
    except TimeoutError:
        raise WireError(
            408, ErrorCode.BLOB_UPLOAD_INVALID, "the request body did not arrive in time"
        ) from None


def _check_headers(call: Call, upload: Upload) -> None:
    """Raise unless the headers of a body fit the upload's offset and the largest blob.

    Raises:
        WireError: ``Content-Range`` is invalid, or contradicts ``Content-Length``.
        OutOfOrder: The chunk does not begin at the upload's offset.
        TooLarge: The blob would be larger than a blob may be; the upload is cancelled.
        StorageFull: The disk has no room for the body; the upload is cancelled.
    """
    content_range, length = call.request.headers.get("Content-Range"), call.request.content_length
    if content_range is not None and length != 0:
        chunk = ranges.parse_content_range(content_range)
        if chunk is None:
            raise WireError(
                400,
                ErrorCode.BLOB_UPLOAD_INVALID,
                f"invalid Content-Range: {content_range[:80]!r}",
            )
        upload.expect(chunk[0])
        if length is not None and length != chunk[1]:
            raise WireError(
                400,
                ErrorCode.SIZE_INVALID,
                f"Content-Range states {chunk[1]} bytes, but Content-Length states {length}",
            )
    if length:
        upload.admit(length)


def _accepted(call: Call, upload_id: str, offset_bytes: int, *, status: int = 202) -> web.Response:
    location = call.service.location(call.repository, "blobs", "uploads", upload_id)
    # The header has no form for an empty range; registries have always answered 0-0.
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
