"""The header ``Authorization`` for the requests to one registry."""

from __future__ import annotations

import asyncio
import base64
from typing import TYPE_CHECKING, Final, Protocol, final

from remote.auth.credentials import Credentials
from remote.auth.tokens import Token, TokenRequest

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from remote.auth.challenges import Challenge
    from remote.auth.credentials import CredentialSource
    from remote.auth.scopes import Scopes

_BEARER: Final = "bearer"
_BASIC: Final = "basic"
_NO_CREDENTIALS: Final = Credentials()


class FetchToken(Protocol):
    """A request to a token service."""

    async def __call__(self, request: TokenRequest) -> Token:
        """Return the token.

        Args:
            request: The service and what is asked for.

        Raises:
            RegistryError: The service refuses, or its address is not safe.
        """
        ...


@final
class Authorizer:
    """Credentials and tokens for one registry.

    Concurrent requests for the same permissions share one request to the token service. Credentials
    are looked up only after the registry has demanded authentication.

    Args:
        registry: The registry as references name it.
        source: The places where credentials are kept.
        fetch: Sends a request to a token service.
        clock: Seconds from a fixed moment.
    """

    def __init__(
        self,
        registry: str,
        source: CredentialSource,
        fetch: FetchToken,
        clock: Callable[[], float],
    ) -> None:
        self._registry = registry
        self._source = source
        self._fetch = fetch
        self._clock = clock
        self._challenge: Challenge | None = None
        self._tokens: dict[tuple[str, Scopes], Token] = {}
        self._credentials: dict[str, Credentials] = {}
        self._locks: dict[object, asyncio.Lock] = {}

    async def current(self, repository: str, scopes: Scopes) -> str | None:
        """Return the header to send with a request, as far as the registry's demands are known.

        Args:
            repository: The repository that the request is about.
            scopes: The permissions that the request needs.

        Returns:
            The value of ``Authorization``; None before the registry has demanded anything.

        Raises:
            RegistryError: The token service refuses.
        """
        if self._challenge is None:
            return None
        return await self._header(self._challenge, repository, scopes, scopes, used=None)

    async def answer(
        self,
        challenges: Sequence[Challenge],
        repository: str,
        scopes: Scopes,
        *,
        used: str | None,
        wanted: Scopes | None = None,
    ) -> str | None:
        """Return the header that answers a refusal.

        Args:
            challenges: The ways of authentication that the registry accepts.
            repository: The repository that the request is about.
            scopes: The permissions that the request needs.
            used: The header that the registry refused; None if the request had none.
            wanted: The permissions to ask the token service for, if the registry named others.

        Returns:
            The value of ``Authorization``; None if there is nothing better to send than ``used``.

        Raises:
            RegistryError: The token service refuses, or its address is not safe.
        """
        chosen = next((one for one in challenges if one.scheme == _BEARER), None) or next(
            (one for one in challenges if one.scheme == _BASIC), None
        )
        if chosen is None:
            return None
        self._challenge = chosen
        header = await self._header(chosen, repository, scopes, wanted or scopes, used=used)
        return None if header == used else header

    async def user(self, repository: str) -> str:
        """Return the name of the user whose credentials are sent; empty without credentials."""
        found = self._credentials.get(repository, _NO_CREDENTIALS)
        return found.username or ("the token" if found.has_secret else "")

    async def _header(
        self,
        challenge: Challenge,
        repository: str,
        scopes: Scopes,
        wanted: Scopes,
        *,
        used: str | None,
    ) -> str | None:
        credentials = await self._credentials_for(repository)
        if credentials.registry_token:
            return f"Bearer {credentials.registry_token}"
        if challenge.scheme == _BASIC:
            return basic(credentials) if credentials.username else None
        key = repository, scopes
        async with self._locks.setdefault(key, asyncio.Lock()):
            token = self._tokens.get(key)
            if token is None or token.header == used or self._clock() >= token.expires_at:
                token = self._tokens[key] = await self._fetch(
                    TokenRequest(
                        realm=challenge.parameters.get("realm", ""),
                        service=challenge.parameters.get("service", ""),
                        scopes=wanted,
                        credentials=credentials,
                        repository=repository,
                    )
                )
        return token.header

    async def _credentials_for(self, repository: str) -> Credentials:
        async with self._locks.setdefault(("credentials", repository), asyncio.Lock()):
            found = self._credentials.get(repository)
            if found is None:
                found = (
                    await asyncio.to_thread(
                        self._source.credentials_for, self._registry, repository
                    )
                    or _NO_CREDENTIALS
                )
                self._credentials[repository] = found
        return found


def basic(credentials: Credentials) -> str:
    """Return the header for a name and a password (RFC 7617)."""
    pair = f"{credentials.username}:{credentials.password}".encode()
    return f"Basic {base64.b64encode(pair).decode('ascii')}"
