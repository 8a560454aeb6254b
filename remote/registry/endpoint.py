"""Where a registry is reached: hosts, ports, and whether HTTP without TLS is acceptable."""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Self, final

from yarl import URL

from store.errors import InvalidReference, printable
from store.model.references import DEFAULT_DOMAIN

if TYPE_CHECKING:
    from remote.http.settings import RegistrySettings

_DOCKER_HUB_HOST: Final = "registry-1.docker.io"
_ADDRESS: Final = re.compile(
    r"(?:[A-Za-z0-9_](?:[A-Za-z0-9_.-]{0,252}[A-Za-z0-9_.])?|\[[0-9A-Fa-f:.]{2,45}\])"
    r"(?::(?P<port>[0-9]{1,5}))?"
)
_PORTS: Final = range(1, 65536)
_DOCKER_HUB_NAMES: Final = frozenset({DEFAULT_DOMAIN, f"index.{DEFAULT_DOMAIN}"})


@final
@dataclass(frozen=True, slots=True)
class Endpoint:
    """The address of a registry.

    Attributes:
        registry: The registry as references name it: ``docker.io``, ``registry.example:5000``.
        candidates: The URLs to try, the preferred one first. There are two if the registry may
            speak HTTP without TLS.
    """

    registry: str
    candidates: tuple[URL, ...]

    @classmethod
    def of(cls, registry: str, settings: RegistrySettings) -> Self:
        """Return the address of a registry.

        As docker does, a registry on a loopback address, and one whose certificate need not be
        trusted, is asked with TLS first and then without.

        Args:
            registry: The registry as references name it.
            settings: The settings of the registry.

        Raises:
            InvalidReference: The name is not a host with or without a port.
        """
        address = settings.address or (
            _DOCKER_HUB_HOST if registry in _DOCKER_HUB_NAMES else registry
        )
        secure, plain = _url("https", address), _url("http", address)
        if settings.plain_http:
            return cls(registry, (plain,))
        if not settings.tls_verify or is_loopback(secure.host or ""):
            return cls(registry, (secure, plain))
        return cls(registry, (secure,))


def is_loopback(host: str) -> bool:
    """Return whether a host is this machine: ``localhost``, a name below it, or an address.

    Args:
        host: A name or an address, without a port.
    """
    name = host.strip("[]").rstrip(".").lower()
    if name == "localhost" or name.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return False


def _url(scheme: str, address: str) -> URL:
    match = _ADDRESS.fullmatch(address)
    if match is None or int(match["port"] or 1) not in _PORTS:
        raise InvalidReference(
            f"invalid registry name {printable(address[:160])!r}: expected HOST or HOST:PORT",
            text=address,
        )
    return URL(f"{scheme}://{address}/v2/")
