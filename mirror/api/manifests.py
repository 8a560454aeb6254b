"""Requests for manifests and indexes; the bytes are served exactly as they were pushed."""

from __future__ import annotations

import asyncio
from functools import partial
from typing import TYPE_CHECKING, Final

from aiohttp import web
from multidict import CIMultiDict

from mirror.access import Action
from mirror.access.throttle import client_network
from mirror.api import documents, through
from mirror.api.call import parse_digest, parse_tag
from mirror.connections.expectation import ask_for_body
from mirror.origin.origins import address, is_from_other_site
from mirror.protocol.conditions import etag, is_known
from mirror.protocol.errors import WireError
from mirror.transfer.channels import hang_up
from mirror.variant_budget import BudgetSpent
from store.errors import ContentNotFound, InvalidInput, NotFound
from store.formats.distribution.errors import ErrorCode
from store.formats.distribution.media_types import declared_type
from store.formats.distribution.names import BY_ID
from store.model.digests import Digest
from store.registry.registry import MAX_MANIFEST_BYTES

if TYPE_CHECKING:
    from mirror.api.call import Call
    from mirror.transfer.input_memory import Input
    from store.registry.registry import Pushed, ServedManifest

_MAX_TAGS: Final = 100


async def get(call: Call) -> web.StreamResponse:
    """Answer GET and HEAD of a manifest.

    Args:
        call: The request, with a repository and a tag or digest.

    Raises:
        WireError: The target is invalid, or the repository does not hold the digest.
        RepositoryNotFound: There is no such repository.
        ReferenceNotFound: The repository does not have the tag.
    """
    service, target = call.service, call.tag_or_digest
    if isinstance(target, str) and service.settings.variants:
        await _publish_variant(call, target)
    found, age = await _found(call, target)
    tag = etag(found.digest)
    headers = {
        "Docker-Content-Digest": str(found.digest),
        "ETag": tag,
        "Content-Type": found.media_type,
        **age,
    }
    if is_known(call.request.headers.get("If-None-Match"), tag):
        return web.Response(status=304, headers=headers)
    if (
        service.pulls is not None
        and call.request.method == "GET"
        and not is_from_other_site(call.request)
    ):
        caller = (call.caller.user, address(call.request))
        service.pulls.note(call.repository, target, found.digest, caller)
    # Clients that read the same manifest share its bytes, so this one must not be kept.
    document, key = service.documents.shared(found.digest, found.data), found.digest
    del found
    return await documents.answer(service, call.request, document, headers, key=key)


async def _found(call: Call, target: str | Digest) -> tuple[ServedManifest, dict[str, str]]:
    """Return a manifest of the store or of its upstream registry, and headers about its age."""
    service = call.service
    found = service.registry.manifest_if_inline(call.repository, target)
    upstream = call.upstream
    if upstream is None:
        return found or await _read(call, target), {}
    if found is None:
        try:
            found = await service.pools.read(service.registry.manifest, call.repository, target)
        except NotFound:
            found = None
    return await through.manifest(call, upstream, found)


async def _publish_variant(call: Call, tag: str) -> None:
    service = call.service
    if service.variants.original(tag) is None or is_from_other_site(call.request):
        return
    allowance = None
    if call.caller.user is None and not service.access.allows(
        call.caller, Action.WRITE, call.repository
    ):
        allowance = service.variants.allowance(client_network(address(call.request)))
    try:
        await service.publish(call.repository, tag, allowance)
    except BudgetSpent as spent:
        service.metrics.count_event("refused_variants")
        raise WireError(
            429,
            ErrorCode.TOOMANYREQUESTS,
            "too many layers were compressed for anonymous clients; try again later, or log in",
            headers={"Retry-After": str(int(spent.wait_s) + 1)},
        ) from None


async def _read(call: Call, target: str | Digest) -> ServedManifest:
    service = call.service
    try:
        return await service.pools.read(service.registry.manifest, call.repository, target)
    except ContentNotFound as exc:
        raise WireError(
            404, ErrorCode.MANIFEST_UNKNOWN, exc.message, detail={"digest": str(exc.digest)}
        ) from None


async def put(call: Call) -> web.StreamResponse:
    """Answer PUT of a manifest by tag or by digest, with any number of ``tag`` parameters.

    Args:
        call: The request, with a repository and a tag or digest.

    Raises:
        WireError: The request is invalid, or its body is too large.
        InvalidInput: The manifest is invalid, or names blobs that the repository lacks.
        TimeoutError: The body does not arrive in time.
    """
    service, request = call.service, call.request
    if call.repository == BY_ID:
        raise WireError(
            405,
            ErrorCode.UNSUPPORTED,
            f"cannot push to {BY_ID}: this repository serves images without a name",
        )
    target = call.tag_or_digest
    more_tags = [parse_tag(text) for text in request.query.getall("tag", ())]
    if len(more_tags) > _MAX_TAGS:
        raise WireError(
            414,
            ErrorCode.TAG_INVALID,
            f"too many tags: {len(more_tags)} given, at most {_MAX_TAGS} allowed",
        )
    given = request.query.get("digest")
    digest = target if isinstance(target, Digest) else parse_digest(given) if given else None
    tags = more_tags if isinstance(target, Digest) else [target, *more_tags]
    with service.inputs.hold(
        client_network(address(request)), partial(hang_up, request)
    ) as manifest:
        with call.requiring(Action.WRITE):
            await _receive(call, manifest)

        def store() -> Pushed:
            return service.registry.put_manifest(
                call.repository,
                manifest.take(),
                media_type=declared_type(request.headers.get("Content-Type", "")),
                digest=digest,
                tags=list(dict.fromkeys(tags)),
                actor=call.actor,
            )

        try:
            pushed = await service.pools.write(store)
        except InvalidInput:
            raise
        except NotFound as exc:
            raise WireError(404, ErrorCode.NAME_UNKNOWN, exc.message) from None
    if pushed.image_id is not None:
        service.queue_verification(call.repository, pushed.image_id)
    headers = CIMultiDict(
        {
            "Location": service.location(call.repository, "manifests", str(pushed.digest)),
            "Docker-Content-Digest": str(pushed.digest),
        }
    )
    if pushed.subject is not None:
        headers["OCI-Subject"] = str(pushed.subject)
    for tag in more_tags:
        headers.add("OCI-Tag", tag)
    return web.Response(status=201, headers=headers)


async def _receive(call: Call, manifest: Input) -> None:
    request = call.request
    if (request.content_length or 0) > MAX_MANIFEST_BYTES:
        raise WireError(
            413,
            ErrorCode.SIZE_INVALID,
            f"the manifest is too large: {request.content_length} bytes given,"
            f" at most {MAX_MANIFEST_BYTES} allowed",
        )
    async with asyncio.timeout(call.service.settings.body_timeout_s):
        await ask_for_body(request)
        async for piece in request.content.iter_any():
            manifest.append(piece)
            if manifest.size_bytes > MAX_MANIFEST_BYTES:
                raise WireError(
                    413,
                    ErrorCode.SIZE_INVALID,
                    f"the manifest is too large: at most {MAX_MANIFEST_BYTES} bytes allowed",
                )


async def delete(call: Call) -> web.StreamResponse:
    """Answer DELETE of a tag, or of a manifest with all its tags.

    Args:
        call: The request, with a repository and a tag or digest.

    Raises:
        WireError: The target is invalid, or the repository does not hold the digest.
        RepositoryNotFound: There is no such repository.
        ReferenceNotFound: The repository does not have the tag.
    """
    registry, target = call.service.registry, call.tag_or_digest
    try:
        if isinstance(target, Digest):
            await call.service.pools.write(
                registry.delete_manifest, call.repository, target, actor=call.actor
            )
        else:
            await call.service.pools.write(
                registry.delete_tag, call.repository, target, actor=call.actor
            )
    except ContentNotFound as exc:
        raise WireError(404, ErrorCode.MANIFEST_UNKNOWN, exc.message) from None
    return web.Response(status=202)
