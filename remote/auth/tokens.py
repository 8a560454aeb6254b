"""Tokens and the answers of token services (distribution/spec, auth/token.md; OAuth 2)."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, Self, final

if TYPE_CHECKING:
    from remote.auth.credentials import Credentials
    from remote.auth.scopes import Scopes

MAX_ANSWER_BYTES: Final = 1024 * 1024
"""The ceiling for the answer of a token service."""

_MAX_TOKEN_CHARACTERS: Final = 64 * 1024
_TOKEN: Final = re.compile(r"[\x21-\x7e]+")
_DEFAULT_LIFE_S: Final = 60
_LONGEST_LIFE_S: Final = 24 * 3600
_MARGIN: Final = 0.9
"""A token is renewed after this part of its life, so that it does not expire on the way."""


@final
@dataclass(frozen=True, slots=True)
class TokenRequest:
    """A request to a token service.

    Args:
        realm: The URL of the service, as the registry named it.
        service: The name of the registry at the service.
        scopes: The permissions to ask for.
        credentials: The credentials of the user; empty for an anonymous token.
        repository: The repository that the token is for.
    """

    realm: str
    service: str
    scopes: Scopes
    credentials: Credentials
    repository: str


@final
@dataclass(frozen=True, slots=True)
class Token:
    """A token for requests.

    Args:
        header: The value of ``Authorization``.
        expires_at: When to renew it, on the clock of the client.
    """

    header: str = field(repr=False)
    expires_at: float

    @classmethod
    def parse(cls, body: bytes, now: float) -> Self:
        """Return the token in the answer of a token service.

        Args:
            body: The answer.
            now: The time before the request, on the clock of the client.

        Raises:
            ValueError: The answer has no token that a header can hold; the text is the reason.
        """
        try:
            document = json.loads(body)
        except (ValueError, RecursionError):
            raise ValueError("its answer is not JSON") from None
        if not isinstance(document, dict):
            raise ValueError("its answer is not a JSON object")  # noqa: TRY004 - input, not a bug
        token = document.get("token") or document.get("access_token")
        if not isinstance(token, str) or not token:
            raise ValueError("its answer has no token")
        if len(token) > _MAX_TOKEN_CHARACTERS or not _TOKEN.fullmatch(token):
            raise ValueError("its token is too long, or has characters that no header can hold")
        life = document.get("expires_in")
        if isinstance(life, bool) or not isinstance(life, int | float) or not life > 0:
            life = _DEFAULT_LIFE_S
        return cls(f"Bearer {token}", now + min(life, _LONGEST_LIFE_S) * _MARGIN)
