"""Tokens that say who somebody is, for a few minutes.

Signed, and checked without asking anybody (the token scheme of Docker's registries).

A token names a user and nothing else: what that user may do is decided when it is used, by the
rules of that moment.
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
"""Clients take 60 seconds for granted, and ask for a new token when one has expired."""

_SKEW_S: Final = 60


@final
class Signer:
    """Makes tokens and believes its own.

    ``key`` is shared by the processes that shall believe each other; ``now`` gives Unix seconds.
    """

    def __init__(self, key: bytes, now: Callable[[], float]) -> None:
        self._key = key
        self._now = now

    def sign(self, user: str | None, fingerprint: bytes) -> str:
        """A token for a user, or for anybody.

        It is worth nothing once the user's ``fingerprint`` (the hash of a password, say) is
        another.
        """
        payload = json.dumps([user, int(self._now()) + LIFETIME_S], separators=(",", ":")).encode()
        return f"{_text(payload)}.{_text(self._mac(payload, fingerprint))}"

    def read(
        self, token: str, fingerprint: Callable[[str | None], bytes | None]
    ) -> tuple[bool, str | None]:
        """Whether a token is good, and whose it is.

        ``fingerprint`` gives that of a user, None when there is no such user any more.
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
        mark = fingerprint(user)
        # Compared in any case: an unknown user takes as long as a forged token.
        is_ours = hmac.compare_digest(mac, self._mac(payload, mark or b""))
        is_alive = self._now() < expires <= self._now() + LIFETIME_S + _SKEW_S
        return (True, user) if is_ours and mark is not None and is_alive else (False, None)

    def _mac(self, payload: bytes, fingerprint: bytes) -> bytes:
        return hmac.digest(
            self._key, hashlib.sha256(fingerprint).digest() + payload, hashlib.sha256
        )


def _text(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def _bytes(text: str) -> bytes:
    return base64.b64decode(
        text.encode("ascii") + b"=" * (-len(text) % 4), altchars=b"-_", validate=True
    )
