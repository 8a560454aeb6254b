"""Trusted reverse proxies, and the origin of a request that has passed them.

Any client can write the headers of proxies. They count only if the connection comes from a proxy
that the operator has named, and only the parts that such proxies have written. ``Forwarded``
(RFC 7239) is ignored: a proxy that writes one of the two headers passes the other one on unchanged,
so a server that reads both believes clients.
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

_ADDRESS: Final = re.compile(
    r"(?P<v4>[0-9.]+)(?::[0-9]{1,5})?|(?P<v6>[0-9A-Fa-f:.]+)|\[(?P<bracketed>[0-9A-Fa-f.]*:[0-9A-Fa-f:.]*)\](?::[0-9]{1,5})?"
)
"""An address as proxies write it: some add the port.

Zones are not accepted: they mean nothing on another machine, and could hold any text.
"""

_SCHEMES: Final = {"http": False, "https": True}


@final
@dataclass(frozen=True, slots=True)
class Origin:
    """The client's address, and how it addressed this server."""

    address: str | None
    secure: bool
    """Whether the client uses TLS."""
    host: str


@final
@dataclass(frozen=True, slots=True)
class TrustedProxies:
    """The networks of the proxies whose headers count."""

    networks: tuple[Network, ...] = ()

    @classmethod
    def parse(cls, texts: Iterable[str]) -> Self:
        """Parse addresses, and networks such as ``10.1.0.0/16``.

        Args:
            texts: The addresses and networks.

        Raises:
            InvalidInput: A text is neither, or the network holds every address.
        """
        return cls(tuple(map(_network, texts)))

    def origin(
        self,
        connected: Origin,
        *,
        forwarded_for: Sequence[str],
        proto: Sequence[str],
        host: Sequence[str],
    ) -> Origin:
        """Return the origin of a request.

        Args:
            connected: The origin by the connection and ``Host``.
            forwarded_for: The values of ``X-Forwarded-For``, in order; the client is the last
                address in them that is not a trusted proxy's.
            proto: The values of ``X-Forwarded-Proto``.
            host: The values of ``X-Forwarded-Host``.

        Returns:
            The origin by the headers; ``connected`` if that is not a trusted proxy's.
        """
        peer = _address(connected.address or "")
        if peer is None or not self._trusts(peer):
            return connected
        # A header with two values is ignored: the proxy may have written either.
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
        """Return the last address that is not a trusted proxy's, or the first if all are.

        None if an address on the way to it is invalid.
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
            f"invalid proxy {text!r}: {exc}",
            hint="expected an address or a network, such as 10.0.0.7, 10.1.0.0/16 or fd00::/8",
        ) from None
    if not found.prefixlen:
        raise InvalidInput(
            f"invalid proxy {text!r}: with every address trusted, any client could fake its own",
            hint="give the addresses of the proxies",
        )
    return found


def _address(text: str) -> Address | None:
    match = _ADDRESS.fullmatch(text)
    if match is None:
        return None
    try:
        found = ipaddress.ip_address(match["v4"] or match["v6"] or match["bracketed"])
    except ValueError:
        return None
    # A socket for IPv4 and IPv6 reports IPv4 addresses in this form.
    return getattr(found, "ipv4_mapped", None) or found
