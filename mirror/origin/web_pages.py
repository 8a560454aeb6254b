"""Protection from web pages that use a visitor's browser to reach the registry.

A page of any site can send requests to every address that the visitor's machine can reach. Three
properties of a request reveal such a page:

- ``Host``: by DNS rebinding, a page makes the name of its own site resolve to 127.0.0.1. The
  browser then lets the page read all answers, but it still sends the name of the site.
- ``Origin``: browsers send the site of the page with every request that may change something, and
  with every request whose answer the page wants to read.
- ``Sec-Fetch-Site``: newer browsers say whether page and server are of one site. They say it to
  servers with TLS and to loopback addresses.

A page cannot set these headers itself, and programs such as docker send only ``Host``.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, auto
from functools import lru_cache
from typing import TYPE_CHECKING, Final, Self, final

from mirror.origin.hosts import Host, is_address

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from mirror.origin.proxies import Origin

_SAFE_METHODS: Final = frozenset({"GET", "HEAD", "OPTIONS", "TRACE"})
"""The methods that change nothing (RFC 9110 section 9.2.1)."""

_OTHER_SITES: Final = frozenset({"cross-site", "same-site"})
"""The values of ``Sec-Fetch-Site`` for pages that this server has not sent."""

_MAX_HOST: Final = 300
"""The length of the longest host with a port, in characters."""

_PORTS: Final = {"http": 80, "https": 443}


class Refusal(Enum):
    """The reasons to refuse a request that a web page may have sent."""

    FOREIGN_HOST = auto()
    """``Host`` is not a name of this server."""
    FOREIGN_ORIGIN = auto()
    """A page of a different site has sent the request."""


@final
@dataclass(frozen=True, slots=True)
class WebPages:
    """The decision whether a web page may have sent a request without permission.

    Args:
        names: The names of the server, without ports, besides the names of the loopback interface.
        url: The scheme and host of the server's URL for clients; None if no URL is set.
        is_strict: Whether to check the host and the origin of every request. Otherwise only
            requests that may change something are checked, and only their origin.
    """

    names: frozenset[str] = frozenset()
    url: tuple[str, Host] | None = None
    is_strict: bool = False

    @classmethod
    def of(cls, names: Iterable[str], url: str | None, *, is_strict: bool) -> Self:
        """Return the decision for a server.

        Args:
            names: Additional names of the server, which may have ports.
            url: The server's URL for clients, ``http[s]://HOST[:PORT]``; None if no URL is set.
            is_strict: Whether to check the host and the origin of every request.
        """
        own = None if url is None else _site(url)
        hosts = [*map(Host.parse, names), None if own is None else own[1]]
        return cls(frozenset(one.name for one in hosts if one is not None), own, is_strict)

    def is_harmless(self, method: str, host: str, *, is_from_browser: bool) -> bool:
        """Return whether `refusal` would certainly return None, without parsing anything.

        Args:
            method: The request's method.
            host: The value of ``Host``; "" without the header.
            is_from_browser: Whether the request has the header ``Origin`` or ``Sec-Fetch-Site``.
        """
        return method in _SAFE_METHODS and (
            not self.is_strict
            or (not is_from_browser and len(host) <= _MAX_HOST and _is_own(host, self.names))
        )

    def refusal(
        self,
        method: str,
        called: Origin,
        *,
        sites: Sequence[str],
        fetch_site: str | None,
        may_lack_host: bool = False,
        is_link: bool = False,
        may_read: bool = False,
    ) -> Refusal | None:
        """Return the reason to refuse a request, or None to answer it.

        Args:
            method: The request's method.
            called: The host and scheme that the client used.
            sites: The values of ``Origin``.
            fetch_site: The value of ``Sec-Fetch-Site``; None without the header.
            may_lack_host: Whether the request may lack ``Host``, as in HTTP/1.0. Every browser
                sends the header.
            is_link: Whether the browser shows the answer as a page of its own, for example because
                the user has followed a link.
            may_read: Whether the operator lets pages of this origin read the registry. They may
                still change nothing, and the host is still checked.
        """
        is_safe = method in _SAFE_METHODS
        if self.is_strict:
            if not (self._is_own(called) or (may_lack_host and not called.host)):
                return Refusal.FOREIGN_HOST
        elif is_safe:
            return None
        if is_safe and may_read:
            return None
        if any(not self._is_same(site, called) for site in sites) or (
            is_other_site(fetch_site) and not (is_safe and is_link)
        ):
            return Refusal.FOREIGN_ORIGIN
        return None

    def may_be_rebound(self, called: Origin, sites: Sequence[str]) -> bool:
        """Return whether a page has sent a request under a name that may be rebound.

        The page then has the same site as the server, but it has no credentials for the server.

        Args:
            called: The host and scheme that the client used.
            sites: The values of ``Origin``; only browsers send them.
        """
        if self._is_own(called) or all(_site(site) == self.url for site in sites):
            return False
        host = Host.parse(called.host)
        # Nothing looks up an address, so no answer of a name server can be forged.
        return host is None or not is_address(host.name)

    def _is_own(self, called: Origin) -> bool:
        if called.is_forwarded:
            return True
        # Almost all requests name one of a few hosts; a longer text is not a host anyway.
        return len(called.host) <= _MAX_HOST and _is_own(called.host, self.names)

    def _is_same(self, site: str, called: Origin) -> bool:
        """Return whether a page of ``site`` comes from this server."""
        found = _site(site)
        if found is None:
            return False
        if found == self.url:
            return True
        scheme, host = found
        own = Host.parse(called.host)
        # A proxy that is not trusted may have ended TLS, so a connection without TLS proves
        # nothing about the scheme that the client used.
        return (
            own is not None
            and host.name == own.name
            and (host.port or _PORTS[scheme]) == (own.port or _PORTS[scheme])
            and (scheme == "https" or not called.secure)
        )


def is_other_site(fetch_site: str | None) -> bool:
    """Return whether a browser reports that a page of a different site has caused a request.

    Args:
        fetch_site: The value of ``Sec-Fetch-Site``; None without the header.
    """
    return fetch_site is not None and fetch_site.lower() in _OTHER_SITES


@lru_cache(maxsize=64)
def _is_own(text: str, names: frozenset[str]) -> bool:
    host = Host.parse(text)
    return host is not None and (host.name in names or host.is_loopback)


def _site(text: str) -> tuple[str, Host] | None:
    """Return the scheme and host of ``http[s]://HOST[:PORT]``, or None for any other text."""
    scheme, found, rest = text.partition("://")
    host = Host.parse(rest) if found and scheme.lower() in _PORTS else None
    if host is None:
        return None
    scheme = scheme.lower()
    return scheme, host if host.port != _PORTS[scheme] else Host(host.name)
