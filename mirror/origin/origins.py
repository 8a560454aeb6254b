"""The origin of a request: found once, then used by the log, the login limit and the challenge."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from aiohttp import web

from mirror.origin.proxies import Origin
from mirror.origin.web_pages import is_other_site

if TYPE_CHECKING:
    from mirror.origin.proxies import TrustedProxies

_ORIGIN: Final = web.RequestKey("origin", Origin)
_ADDRESS: Final[web.RequestKey[str | None]] = web.RequestKey("address")


def note_origin(request: web.BaseRequest, proxies: TrustedProxies) -> None:
    """Find a request's origin from the headers of trusted proxies, and store it in the request."""
    if not proxies.networks:
        request[_ADDRESS] = request.remote
        return
    headers = request.headers
    found = request[_ORIGIN] = proxies.origin(
        _connected(request),
        forwarded_for=headers.getall("X-Forwarded-For", ()),
        proto=headers.getall("X-Forwarded-Proto", ()),
        host=headers.getall("X-Forwarded-Host", ()),
    )
    request[_ADDRESS] = found.address


def address(request: web.BaseRequest) -> str | None:
    """Return the client's address, or None if it is unknown."""
    try:
        return request[_ADDRESS]
    except KeyError:
        return request.remote


def origin(request: web.BaseRequest) -> Origin:
    """Return the origin that `note_origin` stored, or the origin of the connection."""
    return request.get(_ORIGIN) or _connected(request)


def is_from_other_site(request: web.BaseRequest) -> bool:
    """Return whether a page of a different site has caused a read, which may change nothing.

    Browsers send ``Origin`` with a read only if the page is of a different origin.

    Args:
        request: A request with the method GET or HEAD.
    """
    headers = request.headers
    return "Origin" in headers or is_other_site(headers.get("Sec-Fetch-Site"))


def _connected(request: web.BaseRequest) -> Origin:
    # Not `request.host`: if the header is missing, it looks up this machine's name.
    return Origin(request.remote, request.secure, request.headers.get("Host", ""))
