"""The parts of a registry request: paths, names, ranges, pages, tags, digests, conditions."""

from __future__ import annotations

from typing import Final

from mirror.api import routes
from mirror.protocol.conditions import etag, is_known, range_applies
from mirror.protocol.errors import WireError
from mirror.protocol.paging import Page
from mirror.protocol.ranges import UnsatisfiableError, parse_content_range, parse_range
from store.errors import InvalidDigest, InvalidReference
from store.formats.distribution.names import Names
from store.formats.distribution.paging import next_link
from store.model.digests import Digest
from store.model.references import is_tag

MAX_BYTES: Final = 400
SIZE: Final = 1000
SEEDS: Final = (
    b"library/debian/manifests/12\nbytes=0-499\n0-499\n100\n\n",
    b"a/b/blobs/uploads/123\nbytes=-1\nbytes 5-4/*\nx\nregistry-1.docker.io\n",
    b"foo.bar/x/blobs/sha256:" + b"ab" * 32 + b"\nbytes=999-\n0-0/1000\n0\nquay.io\n",
    b"x/tags/list\nbytes=5-1\n1-\n18446744073709551616\nlocalhost:5000\nW/*",
    b"x/referrers/sha512:" + b"0f" * 64 + b"\nBYTES = 3 - 7\n-\n-1\nindex.docker.io\n*, W/x",
    b"_catalog\n\n\n\n\n",
)
TOKENS: Final = (
    b"/manifests/",
    b"/blobs/uploads/",
    b"/tags/list",
    b"/referrers/",
    b"bytes=",
    b"bytes ",
    b"sha256:",
    b"..",
    b"%2f",
    b"/*",
    b"\xd9\xa3",
    b"\xc2\xb2",
)


def check(data: bytes) -> None:
    """Read each part from a line of the input: path, Range, Content-Range, n, ns, If-None-Match."""
    lines = data.decode("utf-8", "surrogateescape").split("\n", 5)
    path, wanted, sent, count, namespace, condition = lines + [""] * (6 - len(lines))
    route = routes.parse(path)
    if route is not None and route.name:
        assert route.name in path
        assert route.target in path
        _name(route.name, namespace)
        _target(route.target, condition)
    _ranges(wanted, sent)
    _page(count, path)


def _name(name: str, namespace: str) -> None:
    for names in (Names(), Names("mirror.example:5000")):
        for given in (namespace, None):
            try:
                repository = names.resolve(name, given)
            except (InvalidReference, InvalidDigest) as exc:
                assert WireError.of(exc).status in (400, 404)
                assert WireError.of(exc).body
                continue
            assert names.resolve(names.spell(repository)) == repository


def _target(target: str, condition: str) -> None:
    try:
        digest = Digest.parse(target)
    except InvalidDigest as exc:
        assert WireError.of(exc).body
        is_tag(target)
        return
    tag = etag(digest)
    assert is_known(tag, tag)
    assert is_known(f"{condition},{tag}", tag)
    assert range_applies(tag, tag)
    assert range_applies(condition, tag) == (condition.strip() == tag)
    is_known(condition, tag)


def _ranges(wanted: str, sent: str) -> None:
    for size in (0, 1, SIZE):
        try:
            found = parse_range(wanted, size)
        except UnsatisfiableError:
            continue
        if found is not None:
            assert 0 <= found.start < found.stop <= size
            assert parse_content_range(found.content_range) == (
                found.start,
                found.stop - found.start,
            )
    piece = parse_content_range(sent)
    assert piece is None or (piece[0] >= 0 and piece[1] >= 0)


def _page(count: str, after: str) -> None:
    try:
        page = Page.parse({"n": count, "last": after})
    except WireError as exc:
        assert exc.status == 400
        assert exc.body
        return
    entries = [str(number) for number in range(page.fetch_limit)]
    shown, last = page.cut(entries)
    assert len(shown) <= page.limit
    assert (last is None) == (len(entries) <= page.limit or not shown)
    assert next_link(
        "/v2/x/tags/list",
        {
            "last": after.encode("utf-8", "replace").decode(),
            "n": count.encode("utf-8", "replace").decode(),
        },
    ).isascii()
