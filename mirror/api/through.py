"""Requests that an upstream registry answers, because the store lacks what they ask for."""

from __future__ import annotations

import asyncio
import logging
import math
from typing import TYPE_CHECKING

from aiohttp import web

from mirror.api.byte_range import wanted
from mirror.api.nearby import OFFLINE, offline
from mirror.protocol.conditions import etag
from mirror.protocol.errors import WireError
from mirror.transfer.channels import hang_up
from remote.errors import (
    BlobNotFound,
    ManifestNotFound,
    Offline,
    RateLimited,
    RegistryError,
    RegistryUnavailable,
)
from remote.through.counts import Outcome
from store.errors import InvalidDocument, NotFound, StoreError, printable
from store.formats.distribution.errors import ErrorCode
from store.model.digests import Digest
from store.model.references import Reference
from store.registry.manifests import ServedManifest

if TYPE_CHECKING:
    from datetime import timedelta

    from mirror.api.call import Call
    from remote.through.cache import PullThrough
    from remote.through.fetches import Fetch
    from remote.through.lists import UpstreamList, UpstreamReferrer
    from store.formats.image.manifests import Document

logger = logging.getLogger(__name__)


async def manifest(
    call: Call, through: PullThrough, stored: ServedManifest | None
) -> tuple[ServedManifest, dict[str, str]]:
    """Return the manifest to answer with, and the headers that say how old the answer is.

    Args:
        call: The request, with a repository and a tag or digest.
        through: The upstream registries, one of which has the repository.
        stored: The manifest of the store; None if the store does not serve it.

    Raises:
        WireError: Neither the store nor the upstream registry has the manifest.
    """
    target = call.tag_or_digest
    try:
        if isinstance(target, Digest):
            if stored is None:
                stored = _served(await through.document(call.repository, target))
                _count(call, through, Outcome.MISS)
            else:
                _count(call, through, Outcome.HIT)
            return stored, {}
        answer = await through.tag(
            Reference(call.repository, target), None if stored is None else stored.digest
        )
    except Offline:
        _count(call, through, Outcome.ERROR)
        message = await offline(call)
        raise WireError(404, ErrorCode.MANIFEST_UNKNOWN, message) from None
    except (RegistryError, InvalidDocument) as exc:
        _count(call, through, Outcome.ERROR)
        raise _wire_error(exc) from None
    if answer.document is not None:
        _count(call, through, Outcome.MISS)
        return _served(answer.document), {}
    _count(call, through, Outcome.HIT if answer.problem is None else Outcome.STALE)
    assert stored is not None  # noqa: S101 - else there is a document or an error
    headers = _age_headers(answer.age)
    if answer.problem is not None:
        # RFC 9111 has no warnings any more; the distribution specification has code 299 alone.
        headers["Warning"] = f'299 - "{_warning(answer.age)}"'
    return stored, headers


async def tags(
    call: Call, through: PullThrough, *, is_stored: bool
) -> tuple[tuple[str, ...], dict[str, str]]:
    """Return the tags that the upstream registry has, and headers if it could not be asked.

    Args:
        call: The request, with a repository.
        through: The upstream registries, one of which has the repository.
        is_stored: Whether the store has tags of the repository.

    Raises:
        WireError: The store has no tags, and the registry cannot be asked, and has sent no list
            before.
    """
    found = await through.lists.tags(call.repository, is_stored=is_stored)
    _count_list(call, through, found)
    if not is_stored and found.problem is not None and found.asked_at is None:
        if isinstance(found.problem, Offline):
            raise WireError(404, ErrorCode.NAME_UNKNOWN, OFFLINE)
        raise _wire_error(found.problem)
    return found.tags, _list_headers(found)


async def referrers(
    call: Call, through: PullThrough, *, is_stored: bool
) -> tuple[tuple[UpstreamReferrer, ...], dict[str, str]]:
    """Return the referrers that the upstream registry has, and headers if it could not be asked.

    Args:
        call: The request, with a repository and the digest of the subject.
        through: The upstream registries, one of which has the repository.
        is_stored: Whether the store has referrers of the subject.
    """
    found = await through.lists.referrers(call.repository, call.digest, is_stored=is_stored)
    _count_list(call, through, found)
    return found.referrers, _list_headers(found)


def _list_headers(found: UpstreamList) -> dict[str, str]:
    if found.problem is None:
        return {}
    if found.age is None:
        return {"Warning": '299 - "the upstream registry cannot be asked: stored content only"'}
    return _age_headers(found.age) | {"Warning": f'299 - "{_warning(found.age)}"'}


def _count_list(call: Call, through: PullThrough, found: UpstreamList) -> None:
    _count(call, through, Outcome.MISS if found.problem is None else Outcome.STALE)


def _count(call: Call, through: PullThrough, outcome: Outcome) -> None:
    through.counts.requests[call.repository.domain, outcome] += 1


async def blob(call: Call, through: PullThrough) -> web.StreamResponse:
    """Answer GET and HEAD of a blob that the store does not serve, while it is fetched.

    Args:
        call: The request, with a repository and a digest.
        through: The upstream registries, one of which has the repository.

    Raises:
        WireError: The upstream registry does not have the blob, or cannot be asked.
    """
    request, digest = call.request, call.digest
    try:
        fetch = await through.blob(call.repository, digest)
    except Offline:
        _count(call, through, Outcome.ERROR)
        raise WireError(404, ErrorCode.BLOB_UNKNOWN, OFFLINE) from None
    except RegistryError as exc:
        _count(call, through, Outcome.ERROR)
        raise _wire_error(exc) from None
    _count(call, through, Outcome.MISS)
    size, tag = fetch.target.size_bytes, etag(digest)
    headers = {
        "Docker-Content-Digest": str(digest),
        "ETag": tag,
        "Accept-Ranges": "bytes",
        "Content-Type": "application/octet-stream",
    }
    part = wanted(request, tag, size)
    start, stop = (0, size) if part is None else (part.start, part.stop)
    if part is not None:
        headers["Content-Range"] = part.content_range
    headers["Content-Length"] = str(stop - start)
    response = web.StreamResponse(status=200 if part is None else 206, headers=headers)
    if request.method == "HEAD" or start == stop:
        await response.prepare(request)
        await response.write_eof()
        return response
    await _send(call, through, fetch, response, start, stop)
    return response


async def _send(
    call: Call,
    through: PullThrough,
    fetch: Fetch,
    response: web.StreamResponse,
    start: int,
    stop: int,
) -> None:
    try:
        async for piece in through.read(fetch, start, stop):
            if not response.prepared:
                # An error before the first byte has a status of its own.
                await response.prepare(call.request)
            async with asyncio.timeout(call.service.settings.body_timeout_s):
                await response.write(piece)
        await response.write_eof()
    except RegistryError as exc:
        if not response.prepared:
            raise _wire_error(exc) from None
        _cut_off(call, exc)
    except StoreError as exc:
        if not response.prepared:
            raise
        _cut_off(call, exc)
    except (ConnectionError, TimeoutError) as exc:
        logger.info("the transfer of blob=%s was cut off: %s", fetch.target.digest, exc)
        hang_up(call.request)


def _cut_off(call: Call, error: StoreError) -> None:
    """Close the connection, so that the client does not take the part for the whole."""
    logger.error("the transfer of blob=%s was cut off: %s", call.target, printable(error.message))
    hang_up(call.request)


def _age_headers(age: timedelta | None) -> dict[str, str]:
    return {} if age is None else {"Age": str(int(age.total_seconds()))}


def _served(document: Document) -> ServedManifest:
    return ServedManifest(document.digest, document.media_type, document.data)


def _warning(age: timedelta | None) -> str:
    if age is None:
        return "the upstream registry cannot be asked"
    seconds = int(age.total_seconds())
    unit, size = next(
        (one for one in (("d", 86_400), ("h", 3600), ("m", 60)) if seconds >= one[1]), ("s", 1)
    )
    return f"last checked {seconds // size} {unit} ago"


def _wire_error(error: StoreError) -> WireError:
    """Return the answer for an error of the upstream registry."""
    message = f"upstream: {printable(error.message)}"
    if isinstance(error, BlobNotFound):
        return WireError(404, ErrorCode.BLOB_UNKNOWN, message)
    if isinstance(error, ManifestNotFound | NotFound):
        return WireError(404, ErrorCode.MANIFEST_UNKNOWN, message)
    wait_s = error.retry_after_s if isinstance(error, RegistryUnavailable) else None
    headers = {} if wait_s is None else {"Retry-After": str(math.ceil(wait_s))}
    if isinstance(error, RateLimited):
        return WireError(429, ErrorCode.TOOMANYREQUESTS, message, headers=headers)
    # What upstream refuses this server is not the fault of the client.
    return WireError(503, ErrorCode.UNAVAILABLE, message, headers=headers)
