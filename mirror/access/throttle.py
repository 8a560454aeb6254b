"""The limits of failed logins per network and per user, for all worker processes together.

A client whose network has failed too often has to wait. A user whom many networks guess at, and a
network of many small ones, are only slowed down: their passwords are compared one after another, in
a fair order (`mirror.access.login_queue`). So nobody can lock a user out.
"""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass, field
from functools import lru_cache
from typing import TYPE_CHECKING, Final, final

from mirror.shared_times import SharedTimes

if TYPE_CHECKING:
    from collections.abc import Callable

BURST: Final = 20
"""How many logins may fail in a row before the network has to wait."""

REFILL_S: Final = 6.0
"""How long a network has to wait for each further attempt, in seconds."""

REGION_BURST: Final = 200
REGION_REFILL_S: Final = 0.3
"""The same for a larger network (/24 or /48), whose attempts are then slowed down."""

USER_BURST: Final = 50
USER_REFILL_S: Final = 1.0
"""The same for the attempts on one user from networks from which the user has not logged in."""

TOKEN_BURST: Final = 100
TOKEN_REFILL_S: Final = 1.0
"""The same for permanent tokens from one network, which then has to wait."""

KNOWN_NETWORK_S: Final = 7 * 24 * 3600.0
"""How long a network is known from which a user has logged in, in seconds."""


@final
@dataclass(frozen=True, slots=True)
class LoginHistory:
    """What all worker processes know about earlier logins. Create it before they are forked.

    Attributes:
        failures: When all attempts of a network or user are restored.
        credentials: Until when a correct password or token is accepted without a comparison.
        networks: Until when the network of a user's login is known.
    """

    failures: SharedTimes = field(default_factory=SharedTimes)
    credentials: SharedTimes = field(default_factory=SharedTimes)
    networks: SharedTimes = field(default_factory=SharedTimes)


@final
class Throttle:
    """The limits of failed logins.

    Args:
        now: Returns the time of a monotonic clock that all processes share, in seconds.
        history: The earlier logins, shared by all processes.
    """

    def __init__(self, now: Callable[[], float], history: LoginHistory) -> None:
        self._now = now
        self._history = history

    def wait_s(self, address: str | None) -> float:
        """Return how long a client has to wait before its next password, in seconds; 0 for no wait.

        Args:
            address: The client's address; None if it is unknown.
        """
        return self._left_s(_network(address), BURST, REFILL_S)

    def token_wait_s(self, address: str | None) -> float:
        """Return how long a client has to wait before its next permanent token, in seconds.

        Args:
            address: The client's address; None if it is unknown.
        """
        return self._left_s(_tokens(address), TOKEN_BURST, TOKEN_REFILL_S)

    def delay_s(self, user: str, address: str | None) -> float:
        """Return how long the comparison of a password is delayed, in seconds; 0 for no delay.

        Args:
            user: The name that the client sent; unknown users are delayed like known ones.
            address: The client's address; None if it is unknown.
        """
        if self.knows(user, address):
            return 0.0
        return max(
            self._left_s(_region(address), REGION_BURST, REGION_REFILL_S),
            self._left_s(_user(user), USER_BURST, USER_REFILL_S),
        )

    def has_failed(self, address: str | None) -> bool:
        """Return whether a client has lately sent a wrong password from the network of an address.

        Args:
            address: The client's address; None if it is unknown.
        """
        return self._history.failures.get(_network(address)) > self._now()

    def knows(self, user: str, address: str | None) -> bool:
        """Return whether a user has lately logged in from the network of an address.

        Args:
            user: The name that the client sent.
            address: The client's address; None if it is unknown.
        """
        return self._history.networks.get(_login(user, address)) > self._now()

    def failed(self, user: str, address: str | None) -> None:
        """Count a wrong password.

        Args:
            user: The name that the client sent.
            address: The client's address; None if it is unknown.
        """
        failures, now = self._history.failures, self._now()
        failures.add(_network(address), now, REFILL_S)
        failures.add(_region(address), now, REGION_REFILL_S)
        if not self.knows(user, address):
            failures.add(_user(user), now, USER_REFILL_S)

    def token_failed(self, address: str | None) -> None:
        """Count a wrong permanent token.

        Args:
            address: The client's address; None if it is unknown.
        """
        self._history.failures.add(_tokens(address), self._now(), TOKEN_REFILL_S)

    def succeeded(self, user: str, address: str | None) -> None:
        """Remember the network of a login.

        Args:
            user: The user who has logged in.
            address: The client's address; None if it is unknown.
        """
        self._history.networks.put(_login(user, address), self._now() + KNOWN_NETWORK_S)

    def _left_s(self, name: bytes, burst: int, refill_s: float) -> float:
        debt_s = self._history.failures.get(name) - self._now()
        return max(0.0, debt_s - (burst - 1) * refill_s)


def client_network(address: str | None) -> str:
    """Return the network whose failed logins are counted together.

    Args:
        address: The client's address; None if it is unknown.

    Returns:
        The IPv4 address, or the IPv6 network with a prefix of 64 bits, which usually belongs to one
        customer; empty if the address is unknown.
    """
    return client_networks(address)[-1]


@lru_cache(maxsize=4096)
def client_networks(address: str | None) -> tuple[str, str, str]:
    """Return the networks of a client, the largest first.

    A client can have many addresses of a small network, fewer small networks of a larger one, and
    so on. So limits that are fair have to be fair at each level.

    Args:
        address: The client's address; None if it is unknown.

    Returns:
        The IPv4 networks with prefixes of 16 and 24 bits and the address; or the IPv6 networks with
        prefixes of 32, 48 and 64 bits. Three empty texts if the address is unknown.
    """
    text = address or ""
    try:
        parsed = ipaddress.ip_address(text.partition("%")[0])
    except ValueError:
        return text, text, text
    if isinstance(parsed, ipaddress.IPv6Address):
        if parsed.ipv4_mapped is None:
            return _prefix(parsed, 32), _prefix(parsed, 48), _prefix(parsed, 64)
        parsed = parsed.ipv4_mapped
    return _prefix(parsed, 16), _prefix(parsed, 24), str(parsed)


def _prefix(address: ipaddress.IPv4Address | ipaddress.IPv6Address, bits: int) -> str:
    mask = -1 << (address.max_prefixlen - bits)
    return f"{type(address)(int(address) & mask)}/{bits}"


def _network(address: str | None) -> bytes:
    return _name("network", client_network(address))


def _region(address: str | None) -> bytes:
    return _name("region", client_networks(address)[1])


def _tokens(address: str | None) -> bytes:
    return _name("tokens", client_network(address))


def _user(user: str) -> bytes:
    return _name("user", user)


def _login(user: str, address: str | None) -> bytes:
    return _name("login", client_network(address), user)


def _name(*parts: str) -> bytes:
    return "\0".join(parts).encode("utf-8", "surrogateescape")
