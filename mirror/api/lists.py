"""Requests for the base path, and for the lists of repositories, tags and referrers."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from aiohttp import web

from mirror.access import Action
from mirror.api import documents, through
from mirror.api.call import parse_digest
from mirror.protocol.catalog import Catalog
from mirror.protocol.paging import MAX_COMPLETE, MAX_PAGE, Page, cut_complete
from store.errors import RepositoryNotFound
from store.formats.distribution.paging import LAST_PARAMETER, LIMIT_PARAMETER, next_link
from store.formats.distribution.referrers import (
    ARTIFACT_TYPE_PARAMETER,
    FILTERS_APPLIED_HEADER,
    encode_index,
)
from store.formats.image.media_types import OCI_INDEX

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mirror.access import Caller
    from mirror.api.call import Call
    from mirror.service import Service
    from remote.through.lists import UpstreamReferrer
    from store.formats.distribution.referrers import Referrer
    from store.model.references import Repository


async def base(_service: Service, _request: web.Request, _caller: Caller) -> web.StreamResponse:
    """Answer ``GET /v2/`` with 200: this server is a registry, and the caller may use it."""
    return web.Response(body=b"{}\n", content_type="application/json")


async def catalog(service: Service, request: web.Request, caller: Caller) -> web.StreamResponse:
    """Answer ``GET /v2/_catalog`` with the repositories that the caller may read.

    Raises:
        WireError: The parameter ``n`` is invalid.
    """
    return await documents.answer(service, request, *await _catalog(service, request, caller))


async def _catalog(
    service: Service, request: web.Request, caller: Caller
) -> tuple[bytes, dict[str, str]]:
    page, access = Page.parse(request.query), service.access

    def may_read(repository: Repository) -> bool:
        return access.allows(caller, Action.READ, repository)

    names = await service.pools.read(
        Catalog(service.names, service.registry).page,
        after=page.after,
        limit=page.fetch_limit,
        is_visible=None if access.allows_everywhere(caller, Action.READ) else may_read,
    )
    shown, last = page.cut(names)
    return _json({"repositories": shown}, _link(request, page, last))


async def tags(call: Call) -> web.StreamResponse:
    """Answer ``GET /v2/NAME/tags/list``.

    Without ``n`` the list has up to `MAX_COMPLETE` tags, because many clients do not request
    further pages.

    Args:
        call: The request, with a repository.

    Raises:
        WireError: The parameter ``n`` is invalid.
        RepositoryNotFound: There is no such repository.
    """
    return await documents.answer(call.service, call.request, *await _tags(call))


async def _tags(call: Call) -> tuple[bytes, dict[str, str]]:
    variants, request = call.service.variants, call.request
    page = Page.parse(request.query)
    is_paged = LIMIT_PARAMETER in request.query
    limit = page.fetch_limit if is_paged else MAX_COMPLETE + 1
    upstream = call.upstream
    headers: dict[str, str] = {}
    try:
        found = await call.service.pools.read(
            variants.tags, call.repository, after=page.after, limit=limit
        )
    except RepositoryNotFound:
        if upstream is None:
            raise
        more, headers = await through.tags(call, upstream, is_stored=False)
        if not more:
            raise
        found = []
    else:
        more = ()
        if upstream is not None:
            more, headers = await through.tags(call, upstream, is_stored=True)
    if more:
        later = (tag for tag in more if tag > page.after)
        found = sorted({*found, *later})[:limit]
    shown, last = page.cut(found) if is_paged else cut_complete(found)
    return _json(
        {"name": call.service.names.spell(call.repository), "tags": shown},
        _link(request, page, last) | headers,
    )


async def referrers(call: Call) -> web.StreamResponse:
    """Answer ``GET /v2/NAME/referrers/DIGEST``.

    Args:
        call: The request, with a repository and the digest of the subject.

    Raises:
        WireError: The digest in the path or in ``last`` is invalid.
    """
    return await documents.answer(call.service, call.request, *await _referrers(call))


async def _referrers(call: Call) -> tuple[bytes, dict[str, str]]:
    query, registry = call.request.query, call.service.registry
    subject = call.digest
    last = query.get(LAST_PARAMETER)
    after = str(parse_digest(last)) if last else ""
    artifact_type = query.get(ARTIFACT_TYPE_PARAMETER)
    stored = await call.service.pools.read(
        registry.referrers,
        call.repository,
        subject,
        artifact_type=artifact_type,
        after=after,
        limit=MAX_PAGE,
    )
    found: list[Referrer] = [*stored]
    headers = {"Content-Type": OCI_INDEX}
    upstream = call.upstream
    if upstream is not None:
        more, warning = await through.referrers(call, upstream, is_stored=bool(found))
        headers |= warning
        found = _merged(found, more, artifact_type, after)
    body, listed = encode_index(found)
    if artifact_type is not None:
        headers[FILTERS_APPLIED_HEADER] = ARTIFACT_TYPE_PARAMETER
    if listed < len(found) or len(found) == MAX_PAGE:
        same = {ARTIFACT_TYPE_PARAMETER: artifact_type} if artifact_type is not None else {}
        headers["Link"] = next_link(
            call.request.path,
            same | _namespace(call.request) | {LAST_PARAMETER: str(found[listed - 1].digest)},
        )
    return body, headers


def _merged(
    stored: list[Referrer],
    more: Sequence[UpstreamReferrer],
    artifact_type: str | None,
    after: str,
) -> list[Referrer]:
    """Return one page of the referrers of the store and of the upstream registry, by digest."""
    by_digest: dict[str, Referrer] = {
        str(one.digest): one
        for one in more
        if artifact_type in {None, one.artifact_type} and str(one.digest) > after
    }
    by_digest |= {str(one.digest): one for one in stored}
    return [by_digest[digest] for digest in sorted(by_digest)][:MAX_PAGE]


def _link(request: web.Request, page: Page, last: str | None) -> dict[str, str]:
    if last is None:
        return {}
    parameters = {LIMIT_PARAMETER: str(page.limit), LAST_PARAMETER: last} | _namespace(request)
    return {"Link": next_link(request.path, parameters)}


def _namespace(request: web.Request) -> dict[str, str]:
    return {"ns": request.query["ns"]} if "ns" in request.query else {}


def _json(document: object, headers: dict[str, str]) -> tuple[bytes, dict[str, str]]:
    return (
        json.dumps(document, separators=(",", ":")).encode() + b"\n",
        {"Content-Type": "application/json", **headers},
    )
