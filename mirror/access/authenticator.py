"""Authentication by password, token and client certificate."""

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
"""How long a correct password is accepted without another comparison, in seconds.

bcrypt is slow on purpose, and clients send the password with every request.
"""

_MAX_REMEMBERED: Final = 1000
_MAX_CREDENTIAL_CHARACTERS: Final = 8192


@final
@dataclass(frozen=True, slots=True)
class Password:
    """A user's name and a password that has not been checked yet."""

    user: str
    password: bytes


@final
class AuthenticationFailed(Exception):
    """The credentials are wrong, or the client has to wait after failed logins.

    Args:
        wait_s: How long the client has to wait, in seconds; 0 if the credentials are wrong.
    """

    def __init__(self, wait_s: float = 0.0) -> None:
        super().__init__()
        self.wait_s = wait_s


@final
class Authenticator:
    """An authenticator: it checks the credentials of a request, and finds the caller.

    Args:
        access: The users, tokens and certificates. The attribute ``access`` may be replaced at any
            time.
        key: Signs tokens; processes with the same key accept each other's tokens.
        now: Returns the current Unix time, in seconds.
        clock: Returns the time of a monotonic clock that all processes share, in seconds.
        failures: The counts of failed logins, shared by all processes.
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
        self._remembered: OrderedDict[bytes, float] = OrderedDict()

    def authenticate(
        self, authorization: str | None, *, address: str | None, certificate: str | None = None
    ) -> Caller | Password:
        """Return the caller, or a password that `check_password` still has to check.

        Args:
            authorization: The value of ``Authorization``; None if the request has no such header.
            address: The client's address; None if it is unknown.
            certificate: The common name in the client's certificate; None without a certificate.

        Raises:
            AuthenticationFailed: The credentials are wrong, or the client has to wait.
        """
        if authorization is None:
            return self.access.of_certificate(certificate)
        scheme, _, value = authorization.partition(" ")
        value = value.strip()
        if len(value) > _MAX_CREDENTIAL_CHARACTERS or scheme.lower() not in ("basic", "bearer"):
            raise AuthenticationFailed
        if scheme.lower() == "bearer":
            return self._bearer(value, certificate)
        given = _basic(value)
        if given is None:
            raise AuthenticationFailed
        if self._is_token(given.user, given.password):
            return Caller(given.user)
        checked_at = self._remembered.get(self._mark(given, self.access.users, address))
        if checked_at is not None and self._clock() - checked_at < REMEMBERED_S:
            return Caller(given.user)
        self._raise_if_throttled(address)
        return given

    def check_password(self, given: Password, *, address: str | None) -> Caller:
        """Return the caller if the password is correct; a call takes a tenth of a second.

        Any thread may call this method, but only one thread at a time.

        Args:
            given: The user and password that the client sent.
            address: The client's address; None if it is unknown.

        Raises:
            AuthenticationFailed: The password is wrong, or the client has to wait.
        """
        # Check again: other logins from this network may have failed while this one waited.
        self._raise_if_throttled(address)
        # The users may change during the comparison; the password is remembered for these users.
        users = self.access.users
        if not matches(users, given.user, given.password, self._key):
            self._throttle.failed(address)
            raise AuthenticationFailed
        self._remembered[self._mark(given, users, address)] = self._clock()
        while len(self._remembered) > _MAX_REMEMBERED:
            self._remembered.popitem(last=False)
        return Caller(given.user)

    def token(self, caller: Caller) -> str:
        """Return a token that proves a caller's name."""
        return self._signer.sign(caller.user, self._fingerprint(caller.user) or b"")

    def _bearer(self, token: str, certificate: str | None) -> Caller:
        good, user = self._signer.read(token, self._fingerprint)
        if good:
            return self.access.of_certificate(certificate) if user is None else Caller(user)
        digest = hashlib.sha256(token.encode("utf-8", "surrogateescape")).hexdigest()
        # Compare every token, so that the time does not reveal which one matches.
        named = [
            name for name, known in self.access.tokens.items() if hmac.compare_digest(known, digest)
        ]
        if named:
            return Caller(named[0])
        # A wrong token does not count as a failed login: all tokens of a client expire at once,
        # and no client can guess a token's random bits.
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
            return b"anonymous"
        known = self.access.users.get(user)
        if known is None and user in self.access.tokens:
            known = self.access.tokens[user].encode()
        return known

    def _mark(self, given: Password, users: Mapping[str, bytes], address: str | None) -> bytes:
        """Return the key under which the authenticator remembers a correct password.

        The key does not reveal the password, and changes when the user's password hash changes. The
        key also depends on the client's network. Otherwise a client that has to wait after failed
        logins could go on guessing a password that a client of another network has just used.
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
