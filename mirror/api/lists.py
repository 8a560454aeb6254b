"""What there is: repositories, tags, referrers."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from aiohttp import web

from mirror.access import Action
from mirror.api.call import parse_digest
from mirror.protocol import referrers as listing
from mirror.protocol.paging import MAX_PAGE, Page, next_link
from store.formats.image.media_types import OCI_INDEX

if TYPE_CHECKING:
    from mirror.access import Caller
    from mirror.api.call import Call
    from mirror.service import Service
    from store.model.references import Repository


async def base(_service: Service, _request: web.Request, _caller: Caller) -> web.StreamResponse:
    """GET /v2/: it is a registry, and the caller may ask it."""
    return web.Response(body=b"{}\n", content_type="application/json")


async def catalog(service: Service, request: web.Request, caller: Caller) -> web.StreamResponse:
    """GET /v2/_catalog: what the caller may read of it."""
    page, access = Page.asked(request.query), service.access

    def readable(repository: Repository) -> bool:
        return access.allows(caller, Action.READ, repository)

    only = None if access.allows_everywhere(caller, Action.READ) else readable
    names = await service.work.read(
        service.names.page, service.registry, after=page.after, limit=page.fetch, only=only
    )
    shown, last = page.cut(names)
    return _json({"repositories": shown}, _link(request, page, last))


async def tags(call: Call) -> web.StreamResponse:
    """GET /v2/NAME/tags/list.

    Without ``n``, all of them, as clients expect who never learned of pages.
    """
    offers, request = call.service.offers, call.request
    page = Page.asked(request.query)
    paged = "n" in request.query
    found = await call.service.work.read(
        offers.tags, call.repository, after=page.after, limit=page.fetch if paged else None
    )
    shown, last = page.cut(found) if paged else (found, None)
    return _json(
        {"name": call.service.names.spell(call.repository), "tags": shown},
        _link(request, page, last),
    )


async def referrers(call: Call) -> web.StreamResponse:
    """GET /v2/NAME/referrers/DIGEST."""
    query, registry = call.request.query, call.service.registry
    subject = call.digest
    after = str(parse_digest(query["last"])) if query.get("last") else ""
    wanted = query.get("artifactType")
    found = await call.service.work.read(
        registry.referrers,
        call.repository,
        subject,
        artifact_type=wanted,
        after=after,
        limit=MAX_PAGE,
    )
    body, listed = listing.index(found)
    headers = {}
    if wanted is not None:
        headers["OCI-Filters-Applied"] = "artifactType"
    if listed < len(found) or len(found) == MAX_PAGE:
        more = {"artifactType": wanted} if wanted is not None else {}
        headers["Link"] = next_link(
            call.request.path,
            more | _namespace(call.request) | {"last": str(found[listed - 1].digest)},
        )
    return web.Response(body=body, headers=headers, content_type=OCI_INDEX)


def _link(request: web.Request, page: Page, last: str | None) -> dict[str, str]:
    if last is None:
        return {}
    return {
        "Link": next_link(request.path, {"n": str(page.limit), "last": last} | _namespace(request))
    }


def _namespace(request: web.Request) -> dict[str, str]:
    return {"ns": request.query["ns"]} if "ns" in request.query else {}


def _json(document: object, headers: dict[str, str]) -> web.Response:
    return web.Response(
        body=json.dumps(document, separators=(",", ":")).encode() + b"\n",
        headers=headers,
        content_type="application/json",
    )
