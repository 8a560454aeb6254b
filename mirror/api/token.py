"""The token endpoint: a password is traded for a token of a few minutes (distribution, "Token Authentication"; the password grant of RFC 6749)."""

from __future__ import annotations

import asyncio
import base64
import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final
from urllib.parse import parse_qsl

from aiohttp import web

from mirror.access.challenge import basic
from mirror.access.tokens import LIFETIME_S
from mirror.api.callers import prove
from mirror.protocol.errors import WireError

if TYPE_CHECKING:
    from mirror.service import Service

_FORM_BYTES: Final = 16 * 1024


async def get(service: Service, request: web.Request) -> web.StreamResponse:
    """GET with a password in ``Authorization``, or without for a token of anybody's.

    POST with it in a form. Scopes are not asked after: the rules decide.
    """
    authorization = request.headers.get("Authorization")
    if request.method == "POST":
        authorization = await _from_form(service, request)
    try:
        caller = await prove(service, request, authorization)
    except WireError as exc:
        if exc.status == 401:  # noqa: PLR2004 - Unauthorized
            # A token cannot be had with a token: here it is the password that is asked for.
            exc.headers["WWW-Authenticate"] = basic()
        raise
    if not service.access.admits(caller):
        raise WireError(401, "UNAUTHORIZED", "log in first", headers={"WWW-Authenticate": basic()})
    made = service.authenticator.token(caller)
    issued = datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
    document = {"token": made, "access_token": made, "expires_in": LIFETIME_S, "issued_at": issued}
    return web.Response(
        body=json.dumps(document).encode() + b"\n",
        headers={"Cache-Control": "no-store"},
        content_type="application/json",
    )


async def _from_form(service: Service, request: web.Request) -> str:
    data = bytearray()
    async with asyncio.timeout(service.settings.body_timeout_s):
        async for piece in request.content.iter_any():
            data += piece
            if len(data) > _FORM_BYTES:
                raise WireError(413, "SIZE_INVALID", f"a form of more than {_FORM_BYTES} bytes")
    try:
        form = dict(parse_qsl(data.decode(), keep_blank_values=True, max_num_fields=50))
    except (UnicodeDecodeError, ValueError):
        raise WireError(400, "UNSUPPORTED", "that is no form") from None
    if form.get("grant_type") != "password":
        # Clients that have been refused here go on with GET.
        raise WireError(400, "UNSUPPORTED", "only grant_type=password is known")
    text = f"{form.get('username', '')}:{form.get('password', '')}"
    return f"Basic {base64.b64encode(text.encode()).decode()}"
