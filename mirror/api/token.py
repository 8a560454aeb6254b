"""The token endpoint: a client exchanges its password for a token that is valid for a few minutes.

Spec: distribution, "Token Authentication"; the password grant of RFC 6749 section 4.3.
"""

from __future__ import annotations

import asyncio
import base64
import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final
from urllib.parse import parse_qsl

from aiohttp import web

from mirror.access.authenticator import is_signed_token
from mirror.access.challenge import basic
from mirror.access.tokens import LIFETIME_S
from mirror.api.callers import authenticate
from mirror.connections.expectation import ask_for_body
from mirror.protocol.errors import NOT_LOGGED_IN, Denial, WireError
from store.formats.distribution.errors import ErrorCode

if TYPE_CHECKING:
    from mirror.service import Service

_MAX_FORM_BYTES: Final = 16 * 1024


async def get(service: Service, request: web.Request) -> web.StreamResponse:
    """Answer ``/token``.

    GET takes the password from ``Authorization``, POST takes the password from a form. GET without
    credentials returns a token for anonymous callers. A signed token is not exchanged for a new
    one, because a thief could then renew it forever. The requested scopes are ignored, because the
    rules are applied when the token is used.

    Raises:
        WireError: The credentials are wrong or missing, or the form is invalid.
        TimeoutError: The form does not arrive in time.
    """
    authorization = request.headers.get("Authorization")
    if request.method == "POST":
        authorization = await _from_form(service, request)
    if is_signed_token(authorization):
        raise WireError(
            401,
            ErrorCode.UNAUTHORIZED,
            "a token cannot be renewed; log in again",
            headers={"WWW-Authenticate": basic()},
            denial=Denial("renewal of a token"),
        )
    try:
        caller = await authenticate(service, request, authorization)
    except WireError as exc:
        if exc.status == 401:  # noqa: PLR2004 - Unauthorized
            # A Bearer challenge would send the client back to this endpoint: ask for the password.
            exc.headers["WWW-Authenticate"] = basic()
        raise
    if not service.access.may_read_somewhere(caller):
        raise WireError(
            401,
            ErrorCode.UNAUTHORIZED,
            "log in first",
            headers={"WWW-Authenticate": basic()},
            denial=Denial(NOT_LOGGED_IN if caller.user is None else "no permission", "read"),
        )
    token = service.authenticator.token(caller)
    issued = datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
    document = {
        "token": token,
        "access_token": token,
        "expires_in": LIFETIME_S,
        "issued_at": issued,
    }
    return web.Response(
        body=json.dumps(document).encode() + b"\n",
        headers={"Cache-Control": "no-store"},
        content_type="application/json",
    )


async def _from_form(service: Service, request: web.Request) -> str:
    data = bytearray()
    async with asyncio.timeout(service.settings.body_timeout_s):
        await ask_for_body(request)
        async for piece in request.content.iter_any():
            data += piece
            if len(data) > _MAX_FORM_BYTES:
                raise WireError(
                    413,
                    ErrorCode.SIZE_INVALID,
                    f"the form is too large: at most {_MAX_FORM_BYTES} bytes allowed",
                )
    try:
        form = dict(parse_qsl(data.decode(), keep_blank_values=True, max_num_fields=50))
    except (UnicodeDecodeError, ValueError):
        raise WireError(
            400, ErrorCode.UNSUPPORTED, "invalid request body: expected a form"
        ) from None
    if form.get("grant_type") != "password":
        # After this refusal clients try GET.
        raise WireError(
            400, ErrorCode.UNSUPPORTED, "unsupported grant_type: only password is supported"
        )
    text = f"{form.get('username', '')}:{form.get('password', '')}"
    return f"Basic {base64.b64encode(text.encode()).decode()}"
