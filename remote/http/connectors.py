"""The connectors that open every connection of the client, and refuse some.

No other module opens sockets. With `ClientSettings.is_offline`, the connector refuses before it
asks for an address.
"""

from __future__ import annotations

import ipaddress
import socket
import weakref
from contextlib import suppress
from typing import TYPE_CHECKING, final

from remote.http.lean_aiohttp import aiohttp

if TYPE_CHECKING:
    from aiohappyeyeballs import AddrInfoType
    from aiohttp.abc import ResolveResult
    from aiohttp.client_proto import ResponseHandler
    from aiohttp.client_reqrep import ClientRequest
    from aiohttp.tracing import Trace

_KEEPALIVE_S = 30.0


class OfflineRefusal(aiohttp.ClientError):
    """A connection that the offline connector refused."""


class ForbiddenAddress(OSError):
    """A connection to an address that an untrusted answer must not lead to."""


@final
class OfflineConnector(aiohttp.BaseConnector):
    """A connector that refuses every connection, without a DNS request or a socket."""

    allowed_protocol_schema_set = aiohttp.TCPConnector.allowed_protocol_schema_set

    async def _create_connection(
        self,
        req: ClientRequest,  # noqa: ARG002 - the signature of aiohttp
        traces: list[Trace],  # noqa: ARG002
        timeout: aiohttp.ClientTimeout,  # noqa: ARG002, ASYNC109
    ) -> ResponseHandler:
        raise OfflineRefusal


@final
class RecordingResolver(aiohttp.ThreadedResolver):
    """A resolver that remembers the addresses of each host.

    Attributes:
        addresses: The addresses by host name.
    """

    def __init__(self) -> None:
        super().__init__()
        self.addresses: dict[str, frozenset[str]] = {}

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        """Return the addresses of a host."""
        found = await super().resolve(host, port, family)
        self.addresses[host] = frozenset(one["host"] for one in found)
        return found


@final
class Sockets:
    """The sockets of a client, so that its end does not wait for servers that read nothing."""

    def __init__(self) -> None:
        self._open: weakref.WeakSet[socket.socket] = weakref.WeakSet()

    def make(self, addr_info: AddrInfoType) -> socket.socket:
        """Return a socket for an address."""
        family, kind, protocol, _, _ = addr_info
        made = socket.socket(family, kind, protocol)
        self._open.add(made)
        return made

    def make_public(self, addr_info: AddrInfoType) -> socket.socket:
        """Return a socket for an address on the internet.

        Raises:
            ForbiddenAddress: The address is not public.
        """
        address = str(addr_info[4][0])
        if not is_public(address):
            raise ForbiddenAddress(f"{address} is not a public address")
        return self.make(addr_info)

    def shut(self) -> None:
        """End all connections. What is written to them and not sent yet is dropped."""
        for one in self._open:
            with suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)


def open_connector(
    resolver: RecordingResolver, sockets: Sockets, *, connections_per_host: int
) -> aiohttp.TCPConnector:
    """Return the connector for registries.

    Args:
        resolver: The resolver.
        sockets: The sockets of the client.
        connections_per_host: The open connections to one host.
    """
    return aiohttp.TCPConnector(
        limit=0,
        limit_per_host=connections_per_host,
        keepalive_timeout=_KEEPALIVE_S,
        resolver=resolver,
        socket_factory=sockets.make,
    )


def guarded_connector(sockets: Sockets, *, connections_per_host: int) -> aiohttp.TCPConnector:
    """Return the connector for hosts that the answer of a public registry names.

    It connects to public addresses only: a registry on the internet must not make the client send
    requests into the network that the client is in, for example to a cloud's metadata service. The
    check sees the address that the socket would connect to, after DNS.

    Args:
        sockets: The sockets of the client.
        connections_per_host: The open connections to one host.
    """
    return aiohttp.TCPConnector(
        limit=0,
        limit_per_host=connections_per_host,
        keepalive_timeout=_KEEPALIVE_S,
        socket_factory=sockets.make_public,
    )


def is_public(address: str) -> bool:
    """Return whether an address is on the internet.

    Addresses of private networks, of the machine itself and of a link are not.

    Args:
        address: An IPv4 or IPv6 address.
    """
    parsed = ipaddress.ip_address(address.partition("%")[0])
    if isinstance(parsed, ipaddress.IPv6Address):
        # These IPv6 addresses stand for IPv4 addresses.
        inner = parsed.ipv4_mapped or parsed.sixtofour
        if inner is not None:
            return inner.is_global and not inner.is_multicast
    return parsed.is_global and not parsed.is_multicast
