"""Every part of a request that a pattern reads: headers, queries, names, conditions, origins.

The first byte chooses the part, the next two a piece of the text that is repeated thousands of
times. However a text repeats itself, reading it takes linear time, and an invalid text gives an
error answer.
"""

from __future__ import annotations

import time
from contextlib import suppress
from itertools import count
from typing import TYPE_CHECKING, Final
from urllib.parse import parse_qsl

from mirror.access import Access, AuthenticationFailed, LoginHistory
from mirror.access.authenticator import Authenticator
from mirror.api import routes
from mirror.origin.cors import SharedOrigins
from mirror.origin.proxies import Origin, TrustedProxies
from mirror.protocol import archive_request, conditions, ranges
from mirror.protocol.errors import WireError
from mirror.protocol.paging import Page
from store.errors import StoreError
from store.formats.distribution.media_types import declared_type
from store.formats.distribution.names import Names
from store.formats.distribution.paging import next_link, next_target
from store.model.digests import Digest
from store.model.platforms import DEFAULT, Platform
from store.model.references import Reference, is_tag
from tests.support.pumping import pumped, quickly

if TYPE_CHECKING:
    from collections.abc import Callable

MAX_BYTES: Final = 300
_HEAD_BYTES: Final = 3
_TAG: Final = conditions.etag(Digest.of(b"content"))
_PROXIES: Final = TrustedProxies.parse(["10.0.0.0/8", "fd00::/8"])
_PAGE: Final = "https://ui.example"
_SHARED: Final = SharedOrigins.parse([_PAGE])
_CONNECTED: Final = Origin("10.0.0.1", secure=False, host="registry.example")
_NAMES: Final = Names("mirror.example:5000")
_AUTHENTICATOR: Final = Authenticator(
    Access(users={"alice": b"$2b$04$" + b"." * 53}),
    b"k" * 32,
    time.time,
    # No network has to wait: the attempts of each input are forgotten at the next.
    count(step=10_000).__next__,
    LoginHistory(),
)


def _range(text: str) -> None:
    for size in (0, 1, 1000):
        with suppress(ranges.UnsatisfiableError):
            found = ranges.parse_range(text, size)
            assert found is None or 0 <= found.start < found.stop <= size


def _content_range(text: str) -> None:
    found = ranges.parse_content_range(text)
    assert found is None or min(found) >= 0


def _conditions(text: str) -> None:
    conditions.is_known(text, _TAG)
    assert conditions.is_known(f"{text},{_TAG}", _TAG)
    assert conditions.range_applies(text, _TAG) == (text.strip() == _TAG)


def _forwarded(text: str) -> None:
    for lines in ([text], text.split("\n")):
        found = _PROXIES.origin(_CONNECTED, forwarded_for=lines, proto=lines, host=lines)
        assert found.address is not None
        # A client that does not connect through a proxy cannot change its origin.
        other = Origin("192.0.2.1", secure=True, host="x")
        assert _PROXIES.origin(other, forwarded_for=lines, proto=lines, host=lines) is other


def _shared_origin(text: str) -> None:
    headers = _SHARED.answer_headers([text])
    if _SHARED.may_read([text]):
        assert headers["Access-Control-Allow-Origin"] == text == _PAGE
    else:
        assert "Access-Control-Allow-Origin" not in headers
    for found in SharedOrigins.parse([text]).origins:
        assert found.isascii()
        assert found.isprintable()
        # What an operator may write is one origin in one form.
        assert SharedOrigins.parse([found]).origins == {found}


def _authorization(text: str) -> None:
    for scheme in ("", "Basic ", "Bearer "):
        with suppress(AuthenticationFailed):
            caller = _AUTHENTICATOR.authenticate(scheme + text, address="192.0.2.1")
            # Nothing but a signed token or the right password makes a caller.
            assert not hasattr(caller, "groups")
            assert type(caller).__name__ == "Password"


def _path(text: str) -> None:
    route = routes.parse(f"/v2/{text}")
    if route is not None and route.name:
        assert route.name in text
        _NAMES.resolve(route.name, None)


def _archive(text: str) -> None:
    path, _, query = text.partition("?")
    found = archive_request.parse(
        path, parse_qsl(query, keep_blank_values=True, errors="surrogateescape"), _NAMES, DEFAULT
    )
    assert len(found.names) <= archive_request.MAX_NAMES
    assert found.file_name.isascii()
    assert found.file_name.isprintable()


def _page(text: str) -> None:
    Page.parse(dict(parse_qsl(text, keep_blank_values=True, errors="surrogateescape")))


def _link(text: str) -> None:
    plain = text.encode("utf-8", "replace").decode()
    assert next_link("/v2/_catalog", {"last": plain}).isascii()
    next_target(plain)


def _media_type(text: str) -> None:
    assert ";" not in declared_type(text)


def _name(text: str) -> None:
    repository = _NAMES.resolve(text, None)
    assert _NAMES.resolve(_NAMES.spell(repository)) == repository


PARTS: Final[tuple[Callable[[str], object], ...]] = (
    _range,
    _content_range,
    _conditions,
    _forwarded,
    _authorization,
    _path,
    _archive,
    _page,
    _link,
    _media_type,
    _name,
    lambda text: _NAMES.reference(text, "quay.io"),
    lambda text: _NAMES.resolve("library/debian", text),
    Reference.parse,
    Digest.parse,
    Platform.parse,
    is_tag,
    _shared_origin,
)


def _seed(part: int, start: int, length: int, text: bytes) -> bytes:
    return bytes([part, start, length]) + text


SEEDS: Final = (
    _seed(0, 7, 1, b"bytes= 0-499 "),
    _seed(0, 5, 1, b"bytes =-5 x"),
    _seed(0, 8, 1, b"bytes=0- 9 x"),
    _seed(1, 6, 1, b"bytes 0-0/1000"),
    _seed(2, 0, 3, b'"a", W/"b"'),
    _seed(3, 0, 10, b"192.0.2.1, [2001:db8::1]:443, 10.0.0.2"),
    _seed(4, 0, 4, b"YWxpY2U6c2VjcmV0"),
    _seed(5, 2, 2, b"a/b/manifests/latest"),
    _seed(5, 0, 7, b"a/blobs/uploads/x"),
    _seed(6, 4, 7, b"oci/debian:12,sha256:00?platform=linux/amd64,linux/arm64&referrers=1"),
    _seed(7, 2, 1, b"n=100&last=a"),
    _seed(8, 0, 4, b'<a>; rel="next"; x=1'),
    _seed(9, 11, 1, b"application/vnd.oci.image.index.v1+json; charset=utf-8"),
    _seed(10, 0, 2, b"a-b/c__d/e.f"),
    _seed(11, 0, 3, b"foo.bar:5000/a/b:tag@sha256:00"),
    _seed(12, 0, 2, b"registry-1.docker.io:443"),
    _seed(13, 0, 2, b"a--b/c:d"),
    _seed(14, 8, 2, b"sha256:0a0b"),
    _seed(15, 0, 6, b"linux/arm/v7"),
    _seed(16, 0, 2, b"_.-"),
    _seed(17, 8, 4, b"https://ui.example:8443"),
)
TOKENS: Final = (
    b"bytes=",
    b" \t",
    b"/blobs/uploads/",
    b"/manifests/",
    b"sha256:",
    b"-_-",
    b"%2c",
    b"W/",
    b"::ffff:",
    b"rel=next",
    b";",
    b"\xd9\xa3",
)


def check(data: bytes) -> None:
    """Read one part of a request, as given and with a piece repeated."""
    part, start, length = data[:_HEAD_BYTES].ljust(_HEAD_BYTES, b"\0")
    text = data[_HEAD_BYTES:].decode("utf-8", "surrogateescape")
    read = PARTS[part % len(PARTS)]
    for one in (text, pumped(text, start, length % 16)):
        try:
            quickly(read, one)
        except StoreError as exc:
            assert exc.message.isprintable()
            assert WireError.of(exc).status in (400, 404, 413)
        except WireError as exc:
            assert 400 <= exc.status < 500
            assert exc.body
