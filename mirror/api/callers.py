"""Who sent a request."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mirror.access import ANYBODY, Refused
from mirror.access.authenticator import Password
from mirror.access.origins import address
from mirror.protocol.errors import WireError

if TYPE_CHECKING:
    from aiohttp import web

    from mirror.access import Caller
    from mirror.service import Service

_QUEUED = 32
"""Passwords that wait to be compared: more of them at once is somebody trying them out."""


async def identify(service: Service, request: web.Request) -> Caller:
    """Who is asking. Raises WireError."""
    if service.access.is_open:
        return ANYBODY
    return await prove(service, request, request.headers.get("Authorization"))


async def prove(service: Service, request: web.Request, authorization: str | None) -> Caller:
    """Who an ``Authorization`` header proves to be asking. Raises WireError."""
    authenticator, place = service.authenticator, address(request)
    try:
        found = authenticator.quickly(
            authorization, address=place, certificate=_certificate(request)
        )
        if not isinstance(found, Password):
            return found
        return await _compare(service, found, place)
    except Refused as refused:
        if refused.wait_s:
            service.metrics.happened("throttled_logins")
            raise WireError(
                429,
                "TOOMANYREQUESTS",
                "too many failures to log in; try again later",
                headers={"Retry-After": str(int(refused.wait_s) + 1)},
            ) from None
        if not (authorization or "").lower().startswith("bearer"):
            # Tokens expire in the middle of a push: operators are told of passwords.
            service.metrics.happened("login_failures")
        raise WireError(401, "UNAUTHORIZED", "wrong user, password or token") from None


async def _compare(service: Service, given: Password, place: str | None) -> Caller:
    if service.comparing >= _QUEUED:
        raise Refused(1.0)
    service.comparing += 1
    try:
        return await service.work.compare(service.authenticator.slowly, given, address=place)
    finally:
        service.comparing -= 1


def _certificate(request: web.Request) -> str | None:
    """The common name in the certificate that the client has shown.

    The handshake has verified it.
    """
    transport = request.transport
    shown = None if transport is None else transport.get_extra_info("peercert")
    if not shown:
        return None
    names = [
        value for part in shown.get("subject", ()) for key, value in part if key == "commonName"
    ]
    return names[-1] if names else None
