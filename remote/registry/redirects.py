"""Redirects: which ones the client follows, and what it sends along."""

from __future__ import annotations

import ipaddress
from typing import TYPE_CHECKING, Final, final

from yarl import URL

from remote.errors import InvalidAnswer, UnsafeTarget
from remote.http.faults import place

if TYPE_CHECKING:
    from remote.registry.call import Call

_ALWAYS: Final = frozenset({307, 308})
_OF_READS: Final = frozenset({301, 302, 303}) | _ALWAYS
_MAX_REDIRECTS: Final = 10
_MAX_CHARACTERS: Final = 16 * 1024


@final
class Redirects:
    """The URLs of one request.

    Attributes:
        url: The URL to send the request to now.
    """

    def __init__(self, call: Call, base: URL, url: URL) -> None:
        self.url = url
        self._call = call
        self._base = base
        self._followed = 0

    @property
    def is_registry(self) -> bool:
        """Whether the URL has the scheme, host and port of the registry itself.

        Only such a URL may get ``Authorization`` and a client certificate.
        """
        return is_same_origin(self.url, self._base)

    @property
    def needs_public_address(self) -> bool:
        """Whether a URL that a public registry named must not lead into a private network.

        With TLS and a name, the server would have to prove the name, and gets no credentials.
        """
        return not self.is_registry and (self.url.scheme == "http" or _is_address(self.url))

    def follow(self, status: int, location: str) -> bool:
        """Go on to the URL of an answer, and return whether the answer is a redirect.

        Args:
            status: The status of the answer.
            location: Its header ``Location``; empty for none.

        Raises:
            InvalidAnswer: There are too many redirects, or the URL is invalid.
            UnsafeTarget: The redirect leads from TLS to a connection without, or has a user name.
        """
        is_read = self._call.method in {"GET", "HEAD"}
        if status not in (_OF_READS if is_read else _ALWAYS):
            return False
        self._followed += 1
        if self._followed > _MAX_REDIRECTS:
            raise self._call.fault(InvalidAnswer, f"more than {_MAX_REDIRECTS} redirects")
        target = resolve_location(self._call, self.url, location)
        if not is_read and not is_same_origin(target, self._base):
            raise self._call.fault(
                UnsafeTarget, f"an upload is redirected to a different host, {place(target)}"
            )
        self.url = target
        return True


def resolve_location(call: Call, url: URL, location: str) -> URL:
    """Return the absolute URL that a ``Location`` means.

    Args:
        call: The request, for errors.
        url: The URL that answered.
        location: The value of the header, relative or absolute.

    Raises:
        InvalidAnswer: The value is not a URL.
        UnsafeTarget: The URL leads from TLS to a connection without, or has a user name.
    """
    try:
        target = url.join(URL(location, encoded=True))
        is_valid = bool(location) and bool(target.host) and target.scheme in {"http", "https"}
        target.origin()
    except ValueError:
        is_valid = False
    if not is_valid or len(location) > _MAX_CHARACTERS:
        raise call.fault(InvalidAnswer, "the answer has no valid Location")
    if target.user is not None or target.password is not None:
        raise call.fault(UnsafeTarget, f"the Location on {place(target)} has a user name")
    if url.scheme == "https" and target.scheme == "http":
        if target.host != url.host or not target.is_default_port():
            raise call.fault(
                UnsafeTarget,
                f"an answer with TLS leads to {place(target)} without TLS",
            )
        # A registry behind a proxy that ends TLS often does not know that it has TLS.
        target = target.with_scheme("https").with_port(url.port)
    return target.with_fragment(None)


def is_same_origin(one: URL, other: URL) -> bool:
    """Return whether two URLs have the same scheme, host and port.

    Args:
        one: A URL.
        other: Another URL.
    """
    return (one.scheme, (one.host or "").lower(), one.port) == (
        other.scheme,
        (other.host or "").lower(),
        other.port,
    )


def _is_address(url: URL) -> bool:
    try:
        ipaddress.ip_address(url.host or "")
    except ValueError:
        return url.host == "localhost"
    return True
