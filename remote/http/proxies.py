"""The choice of a proxy for a URL, by the rules that Go's programs follow.

Source: golang.org/x/net/http/httpproxy, which docker, skopeo and crane use.
"""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, Self, final

from yarl import URL

from store.errors import InvalidInput, printable

if TYPE_CHECKING:
    from collections.abc import Mapping

_DEFAULT_PORTS: Final = {"http": 80, "https": 443}


@final
@dataclass(frozen=True, slots=True)
class Proxies:
    """The proxies for requests.

    Args:
        http: The proxy for ``http`` URLs; empty for none. It may have a name and a password.
        https: The proxy for ``https`` URLs; empty for none.
        exceptions: The hosts that are reached without a proxy, as ``NO_PROXY`` lists them: names,
            which stand for their subdomains too, addresses, networks, each with or without a port,
            or ``*``.
    """

    http: str = field(default="", repr=False)
    https: str = field(default="", repr=False)
    exceptions: str = ""

    @classmethod
    def of_environment(cls, environment: Mapping[str, str]) -> Self:
        """Return the proxies that environment variables name.

        Args:
            environment: The variables. Those in capitals win, as in Go's programs.
        """

        def value(name: str) -> str:
            return environment.get(name) or environment.get(name.lower()) or ""

        # In a CGI program, a client sets HTTP_PROXY with the header Proxy.
        http = "" if environment.get("REQUEST_METHOD") else value("HTTP_PROXY")
        return cls(http, value("HTTPS_PROXY"), value("NO_PROXY"))

    def proxy_for(self, url: URL) -> URL | None:
        """Return the proxy for a request; None to connect directly.

        Args:
            url: An absolute ``http`` or ``https`` URL.

        Raises:
            InvalidInput: The proxy that was set is not a URL of a known kind.
        """
        text = self.https if url.scheme == "https" else self.http
        if not text or self._is_exception(url):
            return None
        if "://" not in text:
            text = f"http://{text}"
        try:
            proxy = URL(text)
        except ValueError:
            proxy = URL()
        if proxy.scheme not in _DEFAULT_PORTS or not proxy.host:
            scheme = printable(text.partition("://")[0][:40])
            raise InvalidInput(
                f"invalid proxy for {url.scheme} requests: expected http://HOST:PORT, got the"
                f" scheme {scheme!r}",
                hint="check the variables HTTPS_PROXY and HTTP_PROXY",
            )
        return proxy

    def _is_exception(self, url: URL) -> bool:
        host = (url.host or "").rstrip(".").lower()
        address = _address(host)
        if host == "localhost" or (address is not None and address.is_loopback):
            return True
        return any(
            _excepts(entry.strip().lower(), host, address, url.port)
            for entry in self.exceptions.split(",")
        )


NO_PROXIES: Final = Proxies()
"""Direct connections."""


def _excepts(
    entry: str,
    host: str,
    address: ipaddress.IPv4Address | ipaddress.IPv6Address | None,
    port: int | None,
) -> bool:
    if entry == "*":
        return True
    if "/" in entry:
        try:
            return address is not None and address in ipaddress.ip_network(entry, strict=False)
        except ValueError:
            return False
    name, wanted = _split_port(entry)
    name = name.removeprefix("*")
    if not name or wanted not in {None, port}:
        return False
    literal = _address(name)
    if literal is not None:
        return address == literal
    return host.endswith(f".{name.removeprefix('.')}") or host == name


def _split_port(entry: str) -> tuple[str, int | None]:
    if entry.startswith("["):
        name, _, rest = entry[1:].partition("]")
        port = rest.removeprefix(":")
    elif entry.count(":") == 1:
        name, _, port = entry.partition(":")
    else:
        return entry, None
    return name, int(port) if port.isascii() and port.isdigit() else None


def _address(host: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(host.strip("[]"))
    except ValueError:
        return None
