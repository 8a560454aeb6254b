"""Pages of other origins that may read the registry: cross-origin resource sharing (CORS).

A browser lets a page read an answer of another origin only if the answer names the page's origin.
Before some requests it asks for permission, with a *preflight*: a request ``OPTIONS`` that carries
no credentials. Pages may only read: `mirror.origin.web_pages` refuses every change that a page of
another origin requests, whatever the operator shares.

Spec: Fetch, section 3.3 (CORS protocol); Private Network Access, section 3.1.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Self, final

from mirror.origin.hosts import Host
from store.errors import InvalidInput, printable

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

ANY: Final = "*"
"""The origin that stands for every page."""

METHODS: Final = ("GET", "HEAD")
"""The methods that pages may use; `OPTIONS` needs no permission."""

REQUEST_HEADERS: Final = (
    "Accept",
    "Authorization",
    "Cache-Control",
    "If-None-Match",
    "If-Range",
    "Range",
)
"""The headers that pages may set, besides those that Fetch always allows."""

EXPOSED_HEADERS: Final = (
    "Accept-Ranges",
    "Content-Disposition",
    "Content-Length",
    "Content-Range",
    "Docker-Content-Digest",
    "Docker-Distribution-Api-Version",
    "ETag",
    "Link",
    "Location",
    "OCI-Filters-Applied",
    "OCI-Namespace",
    "OCI-Subject",
    "Range",
    "Retry-After",
    "Storectl-Note",
    "WWW-Authenticate",
)
"""The headers of answers that pages may read."""

MAX_AGE_S: Final = 600
"""How long a browser may remember the answer to a preflight, in seconds."""

_PORTS: Final = {"http": 80, "https": 443}
_MAX_CHARACTERS: Final = 300


@final
@dataclass(frozen=True, slots=True)
class SharedOrigins:
    """The origins whose pages may read the registry.

    Args:
        origins: The exact origins, as browsers write them.
        is_any: Whether the pages of every origin may read what anonymous clients may read.
    """

    origins: frozenset[str] = frozenset()
    is_any: bool = False

    @classmethod
    def parse(cls, texts: Iterable[str]) -> Self:
        """Parse origins such as ``https://ui.example.com:8443``, and ``*`` for every origin.

        Args:
            texts: The origins.

        Raises:
            InvalidInput: A text is not an origin.
        """
        given = set(texts)
        return cls(frozenset(map(_origin, given - {ANY})), ANY in given)

    @property
    def is_empty(self) -> bool:
        """Whether no page of another origin may read the registry."""
        return not (self.origins or self.is_any)

    def may_read(self, sites: Sequence[str]) -> bool:
        """Return whether the page that has sent a request may read the answer.

        Args:
            sites: The values of ``Origin``.
        """
        return len(sites) == 1 and (self.is_any or self._is_listed(sites[0]))

    def answer_headers(self, sites: Sequence[str]) -> dict[str, str]:
        """Return the headers of an answer that let a page read it.

        Args:
            sites: The values of ``Origin``.
        """
        if self.is_empty:
            return {}
        # Caches must not hand the answer for one origin to another, nor one without an origin.
        headers = {"Vary": "Origin"} if self.origins else {}
        if len(sites) == 1 and self._is_listed(sites[0]):
            headers["Access-Control-Allow-Origin"] = sites[0]
            headers["Access-Control-Allow-Credentials"] = "true"
        elif self.is_any:
            # With this value, browsers refuse to send credentials of their own accord.
            headers["Access-Control-Allow-Origin"] = ANY
        else:
            return headers
        headers["Access-Control-Expose-Headers"] = ", ".join(EXPOSED_HEADERS)
        return headers

    def preflight_headers(
        self, method: str, sites: Sequence[str], wanted: str | None
    ) -> dict[str, str] | None:
        """Return the headers of the answer to a preflight, besides those of every answer.

        Args:
            method: The method of the request.
            sites: The values of ``Origin``.
            wanted: The value of ``Access-Control-Request-Method``; None without the header.

        Returns:
            The headers; None if the request is not a preflight of a page that may read.
        """
        if method != "OPTIONS" or wanted is None or not self.may_read(sites):
            return None
        headers = {
            "Access-Control-Allow-Methods": ", ".join(METHODS),
            "Access-Control-Allow-Headers": ", ".join(REQUEST_HEADERS),
            "Access-Control-Max-Age": str(MAX_AGE_S),
        }
        if self._is_listed(sites[0]):
            # A page from the internet may ask a server in a private network.
            headers["Access-Control-Allow-Private-Network"] = "true"
        return headers

    def _is_listed(self, site: str) -> bool:
        # Browsers write origins in one way only, so no text has to be parsed.
        return site in self.origins


def _origin(text: str) -> str:
    scheme, separator, rest = text.partition("://")
    scheme = scheme.lower()
    host = (
        Host.parse(rest)
        if separator and scheme in _PORTS and len(text) <= _MAX_CHARACTERS and "%" not in rest
        else None
    )
    if host is None:
        raise InvalidInput(
            f"invalid origin {printable(text)!r}",
            hint="expected http[s]://HOST[:PORT] without a path, or * for every page",
        )
    name = f"[{host.name}]" if ":" in host.name else host.name
    port = "" if host.port in (None, _PORTS[scheme]) else f":{host.port}"
    return f"{scheme}://{name}{port}"
