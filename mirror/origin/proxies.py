"""Trusted reverse proxies, and the origin of a request that a trusted proxy has forwarded.

Any client can send the headers that proxies send. The server uses them only if the connection comes
from a trusted proxy, and only the parts that trusted proxies have written. It ignores
``Forwarded`` (RFC 7239): a proxy that writes ``X-Forwarded-For`` passes a client's ``Forwarded``
on unchanged, so the client could forge its address.
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
"""An address as proxies write it, with or without a port.

IPv6 zones are refused: they mean nothing on another machine, and may contain any text.
"""

_SCHEMES: Final = {"http": False, "https": True}


@final
@dataclass(frozen=True, slots=True)
class Origin:
    """The client's address, and the scheme and host name that it used for this server.

    Args:
        address: The client's address; None if it is unknown.
        secure: Whether the client uses TLS.
        host: The value of ``Host`` that the client sent; may be empty.
        is_forwarded: Whether a trusted proxy has named the host.
    """

    address: str | None
    secure: bool
    host: str
    is_forwarded: bool = False


@final
@dataclass(frozen=True, slots=True)
class TrustedProxies:
    """The networks of the proxies whose headers the server uses."""

    networks: tuple[Network, ...] = ()

    @classmethod
    def parse(cls, texts: Iterable[str]) -> Self:
        """Parse addresses, and networks such as ``10.1.0.0/16``.

        Args:
            texts: The addresses and networks.

        Raises:
            InvalidInput: A text is neither an address nor a network, or a network contains every
                address.
        """
        return cls(tuple(map(_network, texts)))

    def trusts(self, address: str | None) -> bool:
        """Return whether an address belongs to a trusted proxy.

        Args:
            address: The address of a connection; None if it is unknown.
        """
        if not self.networks:
            return False
        found = _address(address or "")
        return found is not None and self._trusts(found)

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
            connected: The origin according to the connection and ``Host``.
            forwarded_for: The values of ``X-Forwarded-For``, in the order of the request. The
                client is the last address that does not belong to a trusted proxy.
            proto: The values of ``X-Forwarded-Proto``.
            host: The values of ``X-Forwarded-Host``.

        Returns:
            The origin according to the headers; ``connected`` if the connection does not come from
            a trusted proxy.
        """
        peer = _address(connected.address or "")
        if peer is None or not self._trusts(peer):
            return connected
        # Ignore a header with two values: the proxy may have written either of the two.
        secure = (
            _SCHEMES.get(proto[0].strip().lower(), connected.secure)
            if len(proto) == 1
            else connected.secure
        )
        called = host[0].strip() if len(host) == 1 and "," not in host[0] else ""
        return Origin(
            self._client(forwarded_for) or connected.address,
            secure,
            called or connected.host,
            is_forwarded=bool(called),
        )

    def _client(self, forwarded_for: Sequence[str]) -> str | None:
        """Return the last address that does not belong to a trusted proxy.

        Returns:
            The address; the first address if all belong to trusted proxies; None if there are no
            addresses, or if this or a later address is invalid.
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
            f"invalid proxy {text!r}: it trusts every address, so any client could forge its"
            " address",
            hint="name only the addresses of the proxies",
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
    # A socket that serves both IPv4 and IPv6 reports IPv4 addresses as mapped IPv6 addresses.
    return getattr(found, "ipv4_mapped", None) or found
