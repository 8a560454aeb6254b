"""Signed tokens that prove a user's name for a few minutes (distribution, "Token Authentication").

A token names a user and nothing else. The rules decide what the user may do when the token is used.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from typing import TYPE_CHECKING, Final, final

if TYPE_CHECKING:
    from collections.abc import Callable

LIFETIME_S: Final = 300
"""How long a token is valid, in seconds; clients expect at least 60 seconds.

A client requests a new token when its token has expired.
"""

_SKEW_S: Final = 60


@final
class Signer:
    """A signer and verifier of tokens.

    Args:
        key: The signing key; processes with the same key accept each other's tokens.
        now: Returns the current Unix time, in seconds.
    """

    def __init__(self, key: bytes, now: Callable[[], float]) -> None:
        self._key = key
        self._now = now

    def sign(self, user: str | None, fingerprint: bytes) -> str:
        """Return a token.

        Args:
            user: The user that the token names; None for an anonymous caller.
            fingerprint: The user's fingerprint, such as the hash of the password; the token
                becomes invalid when the fingerprint changes.
        """
        payload = json.dumps([user, int(self._now()) + LIFETIME_S], separators=(",", ":")).encode()
        return f"{_text(payload)}.{_text(self._mac(payload, fingerprint))}"

    def read(
        self, token: str, fingerprint: Callable[[str | None], bytes | None]
    ) -> tuple[bool, str | None]:
        """Check a token.

        Args:
            token: The token as the client sent it; any text.
            fingerprint: Returns a user's current fingerprint, or None if there is no such user.

        Returns:
            Whether the token is valid, and its user. The user is None for an anonymous caller or
            an invalid token.
        """
        payload_text, _, mac_text = token.partition(".")
        try:
            payload, mac = _bytes(payload_text), _bytes(mac_text)
            claims = json.loads(payload)
        except (ValueError, RecursionError):
            return False, None
        match claims:
            case [str() | None as user, int() as expires]:
                pass
            case _:
                return False, None
        current = fingerprint(user)
        # Compare for unknown users as well, so that they take as long as a forged token.
        is_ours = hmac.compare_digest(mac, self._mac(payload, current or b""))
        is_alive = self._now() < expires <= self._now() + LIFETIME_S + _SKEW_S
        return (True, user) if is_ours and current is not None and is_alive else (False, None)

    def _mac(self, payload: bytes, fingerprint: bytes) -> bytes:
        return hmac.digest(
            self._key, hashlib.sha256(fingerprint).digest() + payload, hashlib.sha256
        )


def has_form(token: str) -> bool:
    """Return whether a text has the form of a signed token, valid or not.

    Args:
        token: The token as the client sent it; any text.
    """
    payload, _, mac = token.partition(".")
    try:
        claims = json.loads(_bytes(payload))
        return isinstance(claims, list) and len(_bytes(mac)) == hashlib.sha256().digest_size
    except (ValueError, RecursionError):
        return False


def _text(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def _bytes(text: str) -> bytes:
    return base64.b64decode(
        text.encode("ascii") + b"=" * (-len(text) % 4), altchars=b"-_", validate=True
    )
