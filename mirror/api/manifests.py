"""Manifests and indexes: bytes in, the same bytes out."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

from aiohttp import web
from multidict import CIMultiDict

from mirror.api.call import parse_digest, parse_tag
from mirror.protocol.conditions import etag, is_known
from mirror.protocol.errors import WireError
from store.errors import ContentNotFound, InvalidInput, NotFound
from store.model.digests import Digest
from store.registry.registry import BY_ID, MANIFEST_BYTES

if TYPE_CHECKING:
    from mirror.api.call import Call
    from store.registry.registry import ServedManifest

_TAGS_AT_ONCE: Final = 100


async def get(call: Call) -> web.StreamResponse:
    """GET and HEAD."""
    service, target = call.service, call.tag_or_digest
    if isinstance(target, str) and service.settings.offers:
        await service.publish(call.repository, target)
    found = service.registry.quick_manifest(call.repository, target) or await _find(call, target)
    tag = etag(found.digest)
    headers = {
        "Docker-Content-Digest": str(found.digest),
        "ETag": tag,
        "Content-Type": found.media_type,
    }
    if is_known(call.request.headers.get("If-None-Match"), tag):
        return web.Response(status=304, headers=headers)
    # aiohttp sends no body of an answer to HEAD, but its length.
    return web.Response(body=found.data, headers=headers)


async def _find(call: Call, target: str | Digest) -> ServedManifest:
    """Wherever it is. Raises WireError, DamagedContent."""
    service = call.service
    try:
        return await service.work.read(service.registry.manifest, call.repository, target)
    except ContentNotFound as exc:
        raise WireError(
            404, "MANIFEST_UNKNOWN", exc.message, detail={"digest": str(exc.digest)}
        ) from None


async def put(call: Call) -> web.StreamResponse:
    """PUT, by tag or by digest (then with any number of ``tag`` parameters)."""
    service, request = call.service, call.request
    if call.repository == BY_ID:
        raise WireError(405, "UNSUPPORTED", "images without a name are not pushed")
    target = call.tag_or_digest
    more = [parse_tag(text) for text in request.query.getall("tag", ())]
    if len(more) > _TAGS_AT_ONCE:
        raise WireError(414, "TAG_INVALID", f"more than {_TAGS_AT_ONCE} tags at once")
    given = request.query.get("digest")
    digest = target if isinstance(target, Digest) else parse_digest(given) if given else None
    tags = more if isinstance(target, Digest) else [target, *more]
    data = await _body(call)
    media_type = request.headers.get("Content-Type", "").partition(";")[0].strip()
    try:
        done = await service.work.write(
            service.registry.put_manifest,
            call.repository,
            data,
            media_type="" if media_type in _SAYS_NOTHING else media_type,
            digest=digest,
            tags=list(dict.fromkeys(tags)),
        )
    except InvalidInput:
        raise
    except NotFound as exc:
        raise WireError(404, "NAME_UNKNOWN", exc.message) from None
    if done.image_id is not None:
        service.look_into(done.image_id)
    headers = CIMultiDict(
        {
            "Location": service.location(call.repository, "manifests", str(done.digest)),
            "Docker-Content-Digest": str(done.digest),
        }
    )
    if done.subject is not None:
        headers["OCI-Subject"] = str(done.subject)
    for name in more:
        headers.add("OCI-Tag", name)
    return web.Response(status=201, headers=headers)


_SAYS_NOTHING: Final = frozenset(
    {
        "application/octet-stream",
        "application/json",
        "text/plain",
        "application/x-www-form-urlencoded",
    }
)


async def _body(call: Call) -> bytes:
    request = call.request
    if (request.content_length or 0) > MANIFEST_BYTES:
        raise WireError(
            413,
            "SIZE_INVALID",
            f"a manifest of {request.content_length} bytes: {MANIFEST_BYTES} are taken at most",
        )
    data = bytearray()
    async with asyncio.timeout(call.service.settings.body_timeout_s):
        async for piece in request.content.iter_any():
            data += piece
            if len(data) > MANIFEST_BYTES:
                raise WireError(
                    413, "SIZE_INVALID", f"a manifest of more than {MANIFEST_BYTES} bytes"
                )
    return bytes(data)


async def delete(call: Call) -> web.StreamResponse:
    """DELETE, of a tag or of a manifest with its tags."""
    registry, target = call.service.registry, call.tag_or_digest
    try:
        if isinstance(target, Digest):
            await call.service.work.write(registry.delete_manifest, call.repository, target)
        else:
            await call.service.work.write(registry.delete_tag, call.repository, target)
    except ContentNotFound as exc:
        raise WireError(404, "MANIFEST_UNKNOWN", exc.message) from None
    return web.Response(status=202)
