"""Finds out who is asking: passwords, tokens, certificates."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
from collections import OrderedDict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, final

from mirror.access.passwords import matches
from mirror.access.policy import Access, Caller
from mirror.access.throttle import Throttle, client_network
from mirror.access.tokens import Signer

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from mirror.access.throttle import LoginFailures

REMEMBERED_S: Final = 60.0
"""A password that was right is not compared again for so long: bcrypt is slow on purpose, and a client sends it with every request."""

_REMEMBERED: Final = 1000
_LONGEST: Final = 8192


@final
@dataclass(frozen=True, slots=True)
class Password:
    """A name and a password that nobody has compared yet."""

    user: str
    password: bytes


@final
class AuthenticationFailed(Exception):
    """What was shown proves nothing.

    ``wait_s`` is how long not to try again, in seconds; 0 for as one likes.
    """

    def __init__(self, wait_s: float = 0.0) -> None:
        super().__init__()
        self.wait_s = wait_s


@final
class Authenticator:
    """Knows callers by what they show. ``access`` may be replaced at any time.

    Args:
        access: Users and tokens.
        key: Signs tokens, and is shared by processes that shall believe each other's.
        now: Unix seconds.
        clock: Seconds that never go back, the same in all processes.
        failures: The failures to log in, of all processes.
    """

    def __init__(
        self,
        access: Access,
        key: bytes,
        now: Callable[[], float],
        clock: Callable[[], float],
        failures: LoginFailures,
    ) -> None:
        self.access = access
        self._key = key
        self._clock = clock
        self._signer = Signer(key, now)
        self._throttle = Throttle(clock, failures)
        self._right: OrderedDict[bytes, float] = OrderedDict()

    def authenticate(
        self, authorization: str | None, *, address: str | None, certificate: str | None = None
    ) -> Caller | Password:
        """Who is asking, where that takes no time; else what has to be compared by `check_password`.

        Args:
            authorization: The header of that name.
            address: Where the request comes from.
            certificate: The common name in the certificate that the client has shown.

        Raises AuthenticationFailed.
        """
        if authorization is None:
            return self.access.of_certificate(certificate)
        scheme, _, value = authorization.partition(" ")
        value = value.strip()
        if len(value) > _LONGEST or scheme.lower() not in ("basic", "bearer"):
            raise AuthenticationFailed
        if scheme.lower() == "bearer":
            return self._bearer(value, certificate)
        given = _basic(value)
        if given is None:
            raise AuthenticationFailed
        if self._is_token(given.user, given.password):
            return Caller(given.user)
        remembered = self._right.get(self._mark(given, self.access.users, address))
        if remembered is not None and self._clock() - remembered < REMEMBERED_S:
            return Caller(given.user)
        self._raise_if_throttled(address)
        return given

    def check_password(self, given: Password, *, address: str | None) -> Caller:
        """Compare a password; takes a tenth of a second.

        Threads may call it, one at a time. Raises AuthenticationFailed.
        """
        # Once more: others from there may have failed while this one waited for its turn.
        self._raise_if_throttled(address)
        # Others may come while it is compared: what is remembered is that it was right for these.
        users = self.access.users
        if not matches(users, given.user, given.password, self._key):
            self._throttle.failed(address)
            raise AuthenticationFailed
        self._right[self._mark(given, users, address)] = self._clock()
        while len(self._right) > _REMEMBERED:
            self._right.popitem(last=False)
        return Caller(given.user)

    def token(self, caller: Caller) -> str:
        """A token for a caller."""
        return self._signer.sign(caller.user, self._fingerprint(caller.user) or b"")

    def _bearer(self, token: str, certificate: str | None) -> Caller:
        good, user = self._signer.read(token, self._fingerprint)
        if good:
            return self.access.of_certificate(certificate) if user is None else Caller(user)
        digest = hashlib.sha256(token.encode("utf-8", "surrogateescape")).hexdigest()
        # All of them are looked at: the time does not say how many are before the right one.
        named = [
            name for name, known in self.access.tokens.items() if hmac.compare_digest(known, digest)
        ]
        if named:
            return Caller(named[0])
        # Not counted as a failure: tokens expire, all of a client's at once, and there is nothing
        # to guess in so many random bits.
        raise AuthenticationFailed

    def _is_token(self, user: str, password: bytes) -> bool:
        known = self.access.tokens.get(user, "")
        return hmac.compare_digest(known, hashlib.sha256(password).hexdigest())

    def _raise_if_throttled(self, address: str | None) -> None:
        wait_s = self._throttle.wait_s(address)
        if wait_s:
            raise AuthenticationFailed(wait_s)

    def _fingerprint(self, user: str | None) -> bytes | None:
        if user is None:
            return b"anybody"
        known = self.access.users.get(user)
        if known is None and user in self.access.tokens:
            known = self.access.tokens[user].encode()
        return known

    def _mark(self, given: Password, users: Mapping[str, bytes], address: str | None) -> bytes:
        """What a right password is remembered by.

        Nothing that could be turned back, and another one when the user's hash changes.

        It is remembered where it was right: elsewhere, who may not try any more could go on
        guessing what somebody else has just used.
        """
        known = users.get(given.user, b"")
        parts = (
            known,
            given.user.encode("utf-8", "surrogateescape"),
            given.password,
            client_network(address).encode("utf-8", "surrogateescape"),
        )
        return hmac.digest(
            self._key, b"".join(hashlib.sha256(part).digest() for part in parts), hashlib.sha256
        )


def _basic(text: str) -> Password | None:
    try:
        user, colon, password = base64.b64decode(text, validate=True).partition(b":")
        return Password(user.decode(), password) if colon and b"\0" not in password else None
    except (binascii.Error, UnicodeDecodeError, ValueError):
        return None
