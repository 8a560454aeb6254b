"""Where a request comes from: noted once, for the log, the limit of failures and the challenge."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from aiohttp import web

from mirror.access.proxies import Origin

if TYPE_CHECKING:
    from mirror.access.proxies import TrustedProxies

_ORIGIN: Final = web.RequestKey("origin", Origin)


def note_origin(request: web.BaseRequest, proxies: TrustedProxies) -> None:
    """Find it out, where there may be a proxy in between."""
    if proxies.networks:
        said = request.headers
        request[_ORIGIN] = proxies.origin(
            _connected(request),
            forwarded_for=said.getall("X-Forwarded-For", ()),
            proto=said.getall("X-Forwarded-Proto", ()),
            host=said.getall("X-Forwarded-Host", ()),
        )


def address(request: web.BaseRequest) -> str | None:
    """The client's address alone."""
    noted = request.get(_ORIGIN)
    return request.remote if noted is None else noted.address


def origin(request: web.BaseRequest) -> Origin:
    """What was noted; what the connection says where nothing was."""
    return request.get(_ORIGIN) or _connected(request)


def _connected(request: web.BaseRequest) -> Origin:
    # Not `request.host`: without the header it asks the resolver for this machine's name.
    return Origin(request.remote, request.secure, request.headers.get("Host", ""))
