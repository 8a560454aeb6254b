"""Requests to the token service of a registry."""

from __future__ import annotations

import asyncio
from http import HTTPStatus
from typing import TYPE_CHECKING, Final, final
from urllib.parse import urlencode

from remote.auth.authorizer import basic
from remote.auth.realms import safe_realm, token_query
from remote.auth.tokens import MAX_ANSWER_BYTES, Token
from remote.errors import AccessDenied, InvalidAnswer, UnsafeTarget
from remote.http.faults import NETWORK_ERRORS, Fault, place, translate
from remote.registry.call import Answer, Call
from remote.registry.redirects import is_same_origin
from remote.registry.refusals import refusal
from remote.registry.retries import Retries
from store.model.remedies import Remedy

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from yarl import URL

    from remote.auth.tokens import TokenRequest
    from remote.registry.values import ReachedRegistry

_CLIENT_ID: Final = "storectl"
_FORM: Final = "application/x-www-form-urlencoded"


@final
class TokenService:
    """The token service that the challenges of a registry name.

    Args:
        reached: The registry, and how it is reached.
        base: Returns the URL of the registry.
    """

    def __init__(self, reached: ReachedRegistry, base: Callable[[], Awaitable[URL]]) -> None:
        self._registry = reached.name
        self._settings = reached.settings
        self._transport = reached.transport
        self._base = base

    async def fetch(self, request: TokenRequest) -> Token:
        """Return a token.

        An identity token is sent as OAuth 2 demands, a password with Basic authentication, as
        docker and crane do.

        Args:
            request: What to ask for.

        Raises:
            RegistryError: The service refuses, its address is not safe, or it cannot be reached.
        """
        base = await self._base()
        name = f"{self._registry}/{request.repository}" if request.repository else self._registry
        call = Call(
            method="GET",
            path="",
            action=f"get a token for {name}",
            registry=self._registry,
            repository=request.repository,
            not_found=InvalidAnswer,
        )
        try:
            realm = safe_realm(request.realm, base)
        except ValueError as fault:
            raise call.fault(UnsafeTarget, f"the token service is not safe: {fault}") from fault
        retries = Retries(self._transport.settings)
        while True:
            try:
                return await self._attempt(call, request, realm, base)
            except Fault as fault:
                await retries.pause(fault)

    async def _attempt(self, call: Call, request: TokenRequest, realm: URL, base: URL) -> Token:
        credentials = request.credentials
        url = token_query(realm, request.service, request.scopes)
        headers: dict[str, str] = {}
        method, body = "GET", None
        if credentials.identity_token:
            method, url, body = "POST", realm, _form(request)
            headers["Content-Type"] = _FORM
        elif credentials.username:
            headers["Authorization"] = basic(credentials)
        timing = self._transport.settings.timing
        now = timing.monotonic()
        answer, data = await self._exchange(call, method, url, headers, body, base)
        if answer.status in {HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN, HTTPStatus.BAD_REQUEST}:
            error = refusal(call, answer, data, now_s=timing.now()).error
            raise AccessDenied(
                error.message,
                registry=error.registry,
                repository=error.repository,
                status=answer.status,
                hint=(
                    f"check the credentials of {credentials.username or 'the token'!r}"
                    if credentials.has_secret
                    else None
                ),
                remedy=None if credentials.has_secret else Remedy.LOG_IN,
            )
        if answer.status != HTTPStatus.OK:
            raise refusal(call, answer, data, now_s=timing.now())
        try:
            return Token.parse(data, now)
        except ValueError as fault:
            reason = f"the token service {place(answer.url)} is not usable: {fault}"
            raise call.fault(InvalidAnswer, reason) from fault

    async def _exchange(
        self,
        call: Call,
        method: str,
        url: URL,
        headers: Mapping[str, str],
        body: bytes | None,
        base: URL,
    ) -> tuple[Answer, bytes]:
        is_registry = is_same_origin(url, base)
        try:
            async with asyncio.timeout(self._transport.settings.document_timeout_s):
                response = await self._transport.send(
                    method,
                    url,
                    headers=headers,
                    registry=self._settings,
                    is_registry=is_registry,
                    is_guarded=not is_registry and self._transport.is_public(base.host or ""),
                    body=body,
                )
                answer = Answer(call, response, self._transport)
                try:
                    return answer, await answer.read(MAX_ANSWER_BYTES)
                finally:
                    answer.release()
        except NETWORK_ERRORS as fault:
            raise translate(
                fault,
                action=call.action,
                url=url,
                registry=call.registry,
                repository=call.repository,
            ) from fault


def _form(request: TokenRequest) -> bytes:
    fields = {
        "grant_type": "refresh_token",
        "refresh_token": request.credentials.identity_token,
        "client_id": _CLIENT_ID,
        "service": request.service,
    }
    if request.scopes:
        fields["scope"] = " ".join(scope.text for scope in request.scopes)
    return urlencode(fields).encode()
