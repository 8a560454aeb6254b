"""Find the caller of a request, or raise an error answer if the credentials are wrong."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mirror.access import ANONYMOUS, AuthenticationFailed
from mirror.access.authenticator import Password
from mirror.origin.origins import address
from mirror.protocol.errors import Denial, WireError
from store.formats.distribution.errors import ErrorCode

if TYPE_CHECKING:
    from aiohttp import web

    from mirror.access import Caller
    from mirror.service import Service


async def identify(service: Service, request: web.Request) -> Caller:
    """Return the caller of a request.

    Raises:
        WireError: The credentials are wrong, or the client has to wait after failed logins.
    """
    if not service.access.has_logins:
        return ANONYMOUS
    return await authenticate(service, request, request.headers.get("Authorization"))


async def authenticate(service: Service, request: web.Request, authorization: str | None) -> Caller:
    """Return the caller that credentials prove.

    Args:
        service: The registry that answers the request.
        request: The request, which has the client's address and certificate.
        authorization: The value of ``Authorization``; None for a request without credentials.

    Raises:
        WireError: The credentials are wrong, or the client has to wait after failed logins.
    """
    client = address(request)
    try:
        found = service.authenticator.authenticate(
            authorization, address=client, certificate=_common_name(request)
        )
        if not isinstance(found, Password):
            return found
        return await service.logins.check(
            found, address=client, is_gone=lambda: request.transport is None
        )
    except AuthenticationFailed as failure:
        claimed = service.authenticator.claimed_user(authorization)
        if failure.wait_s:
            service.metrics.count_event("throttled_logins")
            raise WireError(
                429,
                ErrorCode.TOOMANYREQUESTS,
                "too many failed logins; try again later",
                headers={"Retry-After": str(int(failure.wait_s) + 1)},
                denial=Denial("too many failed logins", claimed_user=claimed),
            ) from None
        if not (authorization or "").lower().startswith("bearer"):
            # Count only wrong passwords: tokens expire in the middle of a push.
            service.metrics.count_event("login_failures")
        raise WireError(
            401,
            ErrorCode.UNAUTHORIZED,
            failure.fact or "wrong user, password or token",
            denial=Denial("wrong credentials", claimed_user=claimed),
        ) from None


def _common_name(request: web.Request) -> str | None:
    """Return the common name in the client's certificate; TLS has verified the certificate."""
    transport = request.transport
    certificate = None if transport is None else transport.get_extra_info("peercert")
    if not certificate:
        return None
    names = [
        value
        for part in certificate.get("subject", ())
        for key, value in part
        if key == "commonName"
    ]
    return names[-1] if names else None
