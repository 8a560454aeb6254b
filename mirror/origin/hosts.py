"""Host names in requests and settings, and the names of this machine's loopback interface."""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass
from typing import Final, Self, final

_NAME: Final = r"[A-Za-z0-9_](?:[A-Za-z0-9._-]{0,253}[A-Za-z0-9_])?\.?"
_HOST: Final = re.compile(
    rf"(?:(?P<name>{_NAME})|\[(?P<v6>[0-9A-Fa-f:.]{{2,45}})(?:%[A-Za-z0-9._~%-]{{1,32}})?\])"
    r"(?::(?P<port>[0-9]{0,5}))?"
)
"""A host and an optional port (RFC 3986 section 3.2), where an IPv6 address may have a zone."""

_LOCALHOST: Final = "localhost"


@final
@dataclass(frozen=True, slots=True)
class Host:
    """A host and a port, as in ``Host`` and in URLs.

    Args:
        name: The name in lower case without a final dot, or the address in its shortest form.
        port: The port; None for the scheme's default port.
    """

    name: str
    port: int | None = None

    @classmethod
    def parse(cls, text: str) -> Self | None:
        """Return the host that ``HOST[:PORT]`` names, or None if the text is not valid.

        Args:
            text: Any text. The zone of an IPv6 address is dropped: a zone only has a meaning on the
                machine of the client.
        """
        match = _HOST.fullmatch(text)
        if match is None:
            return None
        name = match["name"]
        if name is None:
            address = _address(match["v6"])
            if address is None:
                return None
            name = str(address)
        return cls(name.lower().removesuffix("."), int(match["port"]) if match["port"] else None)

    @property
    def is_loopback(self) -> bool:
        """Whether the name belongs to the loopback interface on every machine.

        Spec: RFC 6761 section 6.3 (``localhost`` and the names below it).
        """
        return (
            self.name == _LOCALHOST
            or self.name.endswith(f".{_LOCALHOST}")
            or is_loopback_address(self.name)
        )


def serves_this_machine_only(address: str, *, url: str | None, has_proxies: bool) -> bool:
    """Return whether only programs on this machine can reach a server.

    Args:
        address: The address at which the server listens.
        url: The server's URL for clients, ``http[s]://HOST[:PORT]``; None if no URL is set. If the
            URL names a different machine or interface, a proxy forwards requests to the server.
        has_proxies: Whether the server trusts proxies, which forward requests of other machines.
    """
    if has_proxies or not is_loopback_address(address):
        return False
    host = None if url is None else Host.parse(url.partition("://")[2])
    return url is None or (host is not None and host.is_loopback)


def is_address(text: str) -> bool:
    """Return whether a text is an IPv4 or IPv6 address.

    Args:
        text: Any text, without brackets.
    """
    return _address(text) is not None


def is_loopback_address(text: str) -> bool:
    """Return whether a text is an address in 127.0.0.0/8, or ::1.

    Args:
        text: Any text; a name is not an address.
    """
    address = _address(text.partition("%")[0])
    return address is not None and address.is_loopback


def _address(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        found = ipaddress.ip_address(text)
    except ValueError:
        return None
    # A socket that serves both IPv4 and IPv6 reports IPv4 addresses as mapped IPv6 addresses.
    return getattr(found, "ipv4_mapped", None) or found
