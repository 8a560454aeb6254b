"""Authentication by password, token and client certificate."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import logging
from collections import OrderedDict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, final

from mirror.access.passwords import MAX_PASSWORD_BYTES, matches
from mirror.access.policy import Access, Caller
from mirror.access.throttle import Throttle, client_network
from mirror.access.tokens import Signer, has_form
from mirror.access.weak_tokens import weak_token

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from mirror.access.throttle import LoginHistory

logger = logging.getLogger(__name__)

REMEMBERED_S: Final = 3600.0
"""How long a correct password is accepted without another comparison, in seconds.

bcrypt is slow on purpose, and clients send the password with every request. A new password hash, or
the removal of the user, takes effect at once.
"""

_MAX_REFUSED_TOKENS: Final = 1000
_MAX_CREDENTIAL_CHARACTERS: Final = 8192
_EVERYWHERE: Final = "everywhere"


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
        fact: What is wrong with the credentials themselves; empty if they do not match.
    """

    def __init__(self, wait_s: float = 0.0, fact: str = "") -> None:
        super().__init__(fact)
        self.wait_s = wait_s
        self.fact = fact


@final
class Authenticator:
    """An authenticator: it checks the credentials of a request, and finds the caller.

    Args:
        access: The users, tokens and certificates. The attribute ``access`` may be replaced at any
            time.
        key: Signs tokens; processes with the same key accept each other's tokens.
        now: Returns the current Unix time, in seconds.
        clock: Returns the time of a monotonic clock that all processes share, in seconds.
        history: The earlier logins, shared by all processes.
    """

    def __init__(
        self,
        access: Access,
        key: bytes,
        now: Callable[[], float],
        clock: Callable[[], float],
        history: LoginHistory,
    ) -> None:
        self.access = access
        self._key = key
        self._clock = clock
        self._signer = Signer(key, now)
        self.throttle = Throttle(clock, history)
        self._credentials = history.credentials
        self._refused_tokens: OrderedDict[bytes, None] = OrderedDict()
        self._fingerprints: tuple[Access, dict[str, bytes]] = (access, {})

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
            return self._bearer(value, certificate, address)
        given = _basic(value)
        if given is None:
            raise AuthenticationFailed
        users, network = self.access.users, client_network(address)
        if self._is_remembered(self._mark(given, users, network)):
            # These credentials work even if others of the same network guess passwords.
            return Caller(given.user)
        self._raise_if_throttled(address)
        if self._is_remembered(self._mark(given, users, _EVERYWHERE)):
            self._remember(given, users, address)
            return Caller(given.user)
        if self._is_token(given.user, given.password):
            self._require_strong(given.user, given.password)
            self._remember(given, users, address)
            return Caller(given.user)
        if len(given.password) > MAX_PASSWORD_BYTES:
            self.throttle.failed(given.user, address)
            raise AuthenticationFailed(
                fact=f"the password has {len(given.password)} bytes,"
                f" and at most {MAX_PASSWORD_BYTES} are allowed"
            )
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
            self.throttle.failed(given.user, address)
            raise AuthenticationFailed
        if self.access.users.get(given.user) != users.get(given.user):
            # The user was removed, or has a new password.
            raise AuthenticationFailed
        self._remember(given, users, address)
        return Caller(given.user)

    def claimed_user(self, authorization: str | None) -> str | None:
        """Return the known user that credentials name, correct or not, for the audit log.

        An unknown name is left out, because people sometimes type a password in its place.

        Args:
            authorization: The value of ``Authorization``.
        """
        scheme, _, value = (authorization or "").partition(" ")
        is_basic = scheme.lower() == "basic" and len(value) <= _MAX_CREDENTIAL_CHARACTERS
        given = _basic(value.strip()) if is_basic else None
        if given is None or not (
            given.user in self.access.users or given.user in self.access.tokens
        ):
            return None
        return given.user

    def token(self, caller: Caller) -> str:
        """Return a token that proves a caller's name."""
        return self._signer.sign(caller.user, self.fingerprint(caller.user) or b"")

    def fingerprint(self, user: str | None) -> bytes | None:
        """Return a value that changes with each change of the credentials of a user.

        Tokens are valid, and long requests may end, only while the value stays the same.

        Args:
            user: The name of the user; None for an anonymous caller.

        Returns:
            The value; None if the user has no credentials.
        """
        if user is None:
            return b"anonymous"
        access = self.access
        if self._fingerprints[0] is not access:
            self._fingerprints = (access, {})
        known = self._fingerprints[1].get(user)
        if known is None:
            credentials = access.credentials(user)
            if not credentials:
                return None
            known = self._fingerprints[1][user] = self._keyed(*credentials)
        return known

    def _bearer(self, token: str, certificate: str | None, address: str | None) -> Caller:
        good, user = self._signer.read(token, self.fingerprint)
        if good:
            return self.access.of_certificate(certificate) if user is None else Caller(user)
        if has_form(token):
            # An expired token, or one of an earlier server, is not a guess: all tokens of a client
            # expire at once, and no client can guess 256 bits.
            raise AuthenticationFailed
        data = token.encode("utf-8", "surrogateescape")
        digest = hashlib.sha256(data).hexdigest()
        mark = self._keyed(b"token", digest.encode(), client_network(address).encode())
        wait_s = self.throttle.token_wait_s(address)
        if wait_s and not self._is_remembered(mark):
            raise AuthenticationFailed(wait_s)
        # Compare every token, so that the time does not reveal which one matches.
        named = [
            name for name, known in self.access.tokens.items() if hmac.compare_digest(known, digest)
        ]
        if named:
            self._require_strong(named[0], data)
            if not self._is_remembered(mark):
                self._credentials.put(mark, self._clock() + REMEMBERED_S)
            return Caller(named[0])
        self._count_wrong_token(mark, address)
        raise AuthenticationFailed

    def _count_wrong_token(self, mark: bytes, address: str | None) -> None:
        """Count a wrong token, unless the client only repeats it."""
        if mark not in self._refused_tokens:
            self.throttle.token_failed(address)
            self._refused_tokens[mark] = None
            while len(self._refused_tokens) > _MAX_REFUSED_TOKENS:
                self._refused_tokens.popitem(last=False)

    def _require_strong(self, user: str, token: bytes) -> None:
        fault = weak_token(token)
        if fault is not None:
            logger.warning("refused the token of %s: %s", user, fault)
            raise AuthenticationFailed(fact=f"the token is too weak: {fault}")

    def _is_remembered(self, mark: bytes) -> bool:
        return self._credentials.get(mark) > self._clock()

    def _remember(self, given: Password, users: Mapping[str, bytes], address: str | None) -> None:
        """Remember correct credentials, and the network from which they came."""
        until = self._clock() + REMEMBERED_S
        for place in (client_network(address), _EVERYWHERE):
            self._credentials.put(self._mark(given, users, place), until)
        self.throttle.succeeded(given.user, address)

    def _is_token(self, user: str, password: bytes) -> bool:
        known = self.access.tokens.get(user, "")
        return hmac.compare_digest(known, hashlib.sha256(password).hexdigest())

    def _raise_if_throttled(self, address: str | None) -> None:
        wait_s = self.throttle.wait_s(address)
        if wait_s:
            raise AuthenticationFailed(wait_s)

    def _mark(self, given: Password, users: Mapping[str, bytes], place: str) -> bytes:
        """Return the name under which the authenticator remembers correct credentials.

        The name does not reveal the password, and changes when the user's password hash or token
        changes. It also depends on the client's network. Otherwise a client that has to wait after
        failed logins could go on guessing a password that a client of another network has just
        used. A client that need not wait may use a password that is remembered `_EVERYWHERE`.
        """
        return self._keyed(
            users.get(given.user, b""),
            self.access.tokens.get(given.user, "").encode(),
            given.user.encode("utf-8", "surrogateescape"),
            given.password,
            place.encode("utf-8", "surrogateescape"),
        )

    def _keyed(self, *parts: bytes) -> bytes:
        return hmac.digest(
            self._key, b"".join(hashlib.sha256(part).digest() for part in parts), hashlib.sha256
        )


def is_signed_token(authorization: str | None) -> bool:
    """Return whether credentials are a token that the server has signed, valid or not.

    Args:
        authorization: The value of ``Authorization``; None for a request without credentials.
    """
    scheme, _, value = (authorization or "").partition(" ")
    return (
        scheme.lower() == "bearer"
        and len(value) <= _MAX_CREDENTIAL_CHARACTERS
        and has_form(value.strip())
    )


def _basic(text: str) -> Password | None:
    try:
        user, colon, password = base64.b64decode(text, validate=True).partition(b":")
        return Password(user.decode(), password) if colon and b"\0" not in password else None
    except (binascii.Error, UnicodeDecodeError, ValueError):
        return None
