"""Reverse proxies, and what the ones that are trusted say about whom they speak for.

Headers can be written by anybody: they count only where the connection comes from a proxy that the
operator has named, and only as far as such proxies have written them. ``Forwarded`` (RFC 7239) is
not looked at: a proxy that knows one of the two headers hands the other on as it came, so whoever
reads both believes clients.
"""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Self, final

from store.errors import InvalidInput

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    Address = ipaddress.IPv4Address | ipaddress.IPv6Address
    Network = ipaddress.IPv4Network | ipaddress.IPv6Network

_WRITTEN: Final = re.compile(
    r"(?P<v4>[0-9.]+)(?::[0-9]{1,5})?|(?P<v6>[0-9A-Fa-f:.]+)|\[(?P<bracketed>[0-9A-Fa-f.]*:[0-9A-Fa-f:.]*)\](?::[0-9]{1,5})?"
)
"""An address as proxies write it: some add the port.

Zones are of no use beyond the machine, and could hold anything.
"""

_SCHEMES: Final = {"http": False, "https": True}


@final
@dataclass(frozen=True, slots=True)
class Origin:
    """Where a request comes from, and how the client called this server."""

    address: str | None
    secure: bool
    """Whether the client has used TLS."""
    host: str


@final
@dataclass(frozen=True, slots=True)
class TrustedProxies:
    """The networks of proxies that are believed."""

    networks: tuple[Network, ...] = ()

    @classmethod
    def parse(cls, texts: Iterable[str]) -> Self:
        """Addresses, and networks such as ``10.1.0.0/16``. Raises InvalidInput."""
        return cls(tuple(map(_network, texts)))

    def origin(
        self,
        connected: Origin,
        *,
        forwarded_for: Sequence[str],
        proto: Sequence[str],
        host: Sequence[str],
    ) -> Origin:
        """Where a request really comes from.

        What its connection says, unless that comes from a trusted proxy.

        Args:
            connected: What the connection and ``Host`` say. forwarded_for: The values of
                ``X-Forwarded-For``, in order; the client is the last address in them that is no
                trusted proxy's. proto: Those of ``X-Forwarded-Proto``. host: Those of
                ``X-Forwarded-Host``.
        """
        peer = _address(connected.address or "")
        if peer is None or not self._trusts(peer):
            return connected
        # A header that is there twice says nothing: which of them the proxy has written cannot be
        # told.
        secure = (
            _SCHEMES.get(proto[0].strip().lower(), connected.secure)
            if len(proto) == 1
            else connected.secure
        )
        called = host[0].strip() if len(host) == 1 and "," not in host[0] else ""
        return Origin(
            self._client(forwarded_for) or connected.address, secure, called or connected.host
        )

    def _client(self, forwarded_for: Sequence[str]) -> str | None:
        """The last address that is no trusted proxy's, the first one where all are.

        None where the way to it cannot be read.
        """
        found: Address | None = None
        for text in reversed(",".join(forwarded_for).split(",") if forwarded_for else ()):
            found = _address(text.strip(" \t"))
            if found is None:
                return None
            if not self._trusts(found):
                break
        return None if found is None else str(found)

    def _trusts(self, address: Address) -> bool:
        return any(address in network for network in self.networks)


def _network(text: str) -> Network:
    try:
        found = ipaddress.ip_network(text)
    except ValueError as exc:
        raise InvalidInput(
            f"{text!r} is no address and no network: {exc}",
            hint="write 10.0.0.7, 10.1.0.0/16 or fd00::/8",
        ) from None
    if not found.prefixlen:
        raise InvalidInput(
            f"{text} is everybody: anyone could pass for anyone",
            hint="name the addresses of the proxies",
        )
    return found


def _address(text: str) -> Address | None:
    match = _WRITTEN.fullmatch(text)
    if match is None:
        return None
    try:
        found = ipaddress.ip_address(match["v4"] or match["v6"] or match["bracketed"])
    except ValueError:
        return None
    # What a socket for both kinds of addresses calls an IPv4 address.
    return getattr(found, "ipv4_mapped", None) or found
