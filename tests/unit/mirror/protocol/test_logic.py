"""What the registry decides, without a socket."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from mirror.api import routes
from mirror.api.routes import Resource, Route
from mirror.protocol import conditions, ranges
from mirror.protocol.errors import _TABLE, WireError
from mirror.protocol.paging import MAX_PAGE, Page
from store import errors
from store.catalog.lists.repository_lists import Referrer
from store.errors import IncompleteImage, InvalidReference, MissingBlobs, StorageFull, StoreError
from store.formats.distribution import referrers
from store.formats.distribution.errors import ErrorCode
from store.formats.distribution.names import BY_ID, Names
from store.formats.distribution.paging import next_link
from store.model.digests import Digest
from store.model.references import Repository

if TYPE_CHECKING:
    from collections.abc import Iterator

# --- names ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "namespace", "default", "found"),
    [
        ("foo", None, "docker.io", "docker.io/library/foo"),
        ("library/foo", None, "docker.io", "docker.io/library/foo"),
        ("team/app", None, "docker.io", "docker.io/team/app"),
        ("quay.io/team/app", None, "docker.io", "quay.io/team/app"),
        ("localhost/app", None, "docker.io", "localhost/app"),
        ("host:5000/app", None, "docker.io", "host:5000/app"),
        ("foo", "docker.io", "corp.example", "docker.io/library/foo"),
        ("foo", "registry-1.docker.io", "corp.example", "docker.io/library/foo"),
        ("team/app", "quay.io", "docker.io", "quay.io/team/app"),
        ("foo", "quay.io", "docker.io", "quay.io/foo"),
        ("foo", None, "corp.example", "corp.example/foo"),
        ("docker.io/foo", None, "corp.example", "docker.io/library/foo"),
    ],
)
def test_names_find_their_repository(
    name: str, namespace: str | None, default: str, found: str
) -> None:
    assert str(Names(default).resolve(name, namespace)) == found


@pytest.mark.parametrize(
    "name", ["Foo", "foo//bar", "foo:tag", "", "../etc", "foo@sha256:" + "0" * 64, "-foo", "foo/"]
)
def test_what_is_no_name_is_refused(name: str) -> None:
    with pytest.raises(errors.InvalidInput):
        Names().resolve(name)


@pytest.mark.parametrize("namespace", ["no such host", "a", "a/b", "quay.io/a", "x\r\ny"])
def test_what_is_no_registry_is_refused(namespace: str) -> None:
    with pytest.raises(InvalidReference):
        Names().resolve("foo", namespace)


@pytest.mark.parametrize(
    "name",
    [
        "docker.io/library/foo",
        "docker.io/team/app",
        "quay.io/x",
        "docker.io/a.b/c",
        "corp.example/foo",
    ],
)
@pytest.mark.parametrize("default", ["docker.io", "corp.example"])
def test_a_name_that_is_spelled_out_resolves_back(name: str, default: str) -> None:
    names, repository = Names(default), Repository(*name.split("/", 1))
    assert names.resolve(names.spell(repository)) == repository


def test_images_without_a_name_have_a_place_that_no_reference_can_name() -> None:
    assert Names().resolve("_/by-id") == BY_ID


# --- paths ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("path", "route"),
    [
        ("/v2/", Route(Resource.BASE)),
        ("/v2/_catalog", Route(Resource.CATALOG)),
        ("/v2/a/b/manifests/latest", Route(Resource.MANIFEST, "a/b", "latest")),
        ("/v2/manifests/manifests/manifests", Route(Resource.MANIFEST, "manifests", "manifests")),
        ("/v2/a/blobs/sha256:0", Route(Resource.BLOB, "a", "sha256:0")),
        ("/v2/a/blobs/uploads/", Route(Resource.UPLOADS, "a")),
        ("/v2/a/blobs/uploads", Route(Resource.UPLOADS, "a")),
        ("/v2/a/blobs/uploads/1", Route(Resource.UPLOAD, "a", "1")),
        ("/v2/blobs/uploads/blobs/uploads/1", Route(Resource.UPLOAD, "blobs/uploads", "1")),
        ("/v2/a/tags/list", Route(Resource.TAGS, "a")),
        ("/v2/a/referrers/x", Route(Resource.REFERRERS, "a", "x")),
        ("/v2/a", None),
        ("/v2/a/tags", None),
        ("/v2//manifests/x", None),
        ("/v2/a/manifests/", None),
        ("/v2", Route(Resource.BASE)),
        ("/v2x", None),
        ("/", None),
        ("/token", Route(Resource.TOKEN)),
        ("/archives/oci/a:1,b", Route(Resource.ARCHIVE, "", "oci/a:1,b")),
    ],
)
def test_paths(path: str, route: Route | None) -> None:
    assert routes.parse(path) == route


# --- ranges and conditions ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("header", "start", "stop"),
    [
        ("bytes=500-1499", 500, 1500),
        ("bytes=500-", 500, 2048),
        ("bytes=-500", 1548, 2048),
        ("bytes=2000-5000", 2000, 2048),
        ("bytes=-5000", 0, 2048),
        ("Bytes = 0-0", 0, 1),
    ],
)
def test_ranges(header: str, start: int, stop: int) -> None:
    part = ranges.parse_range(header, 2048)
    assert part is not None
    assert (part.start, part.stop) == (start, stop)
    assert part.content_range == f"bytes {start}-{stop - 1}/2048"


@pytest.mark.parametrize(
    "header", [None, "", "bytes=", "bytes=-", "lines=1-2", "bytes=0-1,5-6", "bytes=a-b", "bytes=1"]
)
def test_what_is_no_single_range_is_ignored(header: str | None) -> None:
    assert ranges.parse_range(header, 2048) is None


@pytest.mark.parametrize("header", ["bytes=500-0", "bytes=2048-", "bytes=5000-10000", "bytes=-0"])
def test_what_cannot_be_satisfied(header: str) -> None:
    with pytest.raises(ranges.UnsatisfiableError):
        ranges.parse_range(header, 2048)


def test_nothing_of_nothing_can_be_had() -> None:
    with pytest.raises(ranges.UnsatisfiableError):
        ranges.parse_range("bytes=-1", 0)


@pytest.mark.parametrize(
    ("header", "found"),
    [
        ("0-9", (0, 10)),
        ("5-4", (5, 0)),
        ("bytes 5-9/10", (5, 5)),
        ("9-5", None),
        ("x", None),
        ("-5", None),
    ],
)
def test_announced_pieces(header: str, found: tuple[int, int] | None) -> None:
    assert ranges.parse_content_range(header) == found


def test_conditions() -> None:
    tag = conditions.etag(Digest.of(b""))
    assert conditions.is_known(tag, tag)
    assert conditions.is_known(f'"x", W/{tag}', tag)
    assert conditions.is_known("*", tag)
    assert not conditions.is_known('"x"', tag)
    assert not conditions.is_known(None, tag)
    assert conditions.range_applies(None, tag)
    assert conditions.range_applies(tag, tag)
    assert not conditions.range_applies(f"W/{tag}", tag)
    assert not conditions.range_applies("Wed, 21 Oct 2015 07:28:00 GMT", tag)


# --- lists ----------------------------------------------------------------------------------------


def test_pages() -> None:
    assert Page.parse({}) == Page(MAX_PAGE, "")
    assert Page.parse({"n": "99999", "last": "x"}) == Page(MAX_PAGE, "x")
    page = Page.parse({"n": "2"})
    assert page.fetch_limit == 3
    assert page.cut(["a", "b", "c"]) == (["a", "b"], "b")
    assert page.cut(["a", "b"]) == (["a", "b"], None)
    nothing = Page.parse({"n": "0"})
    assert (nothing.fetch_limit, nothing.cut([])) == (0, ([], None))
    for text in ("-1", "x", "1.5", "٣", "9" * 30):
        with pytest.raises(WireError) as caught:
            Page.parse({"n": text})
        assert (caught.value.status, caught.value.code) == (400, "PAGINATION_NUMBER_INVALID")
    assert (
        next_link("/v2/a b/tags/list", {"last": "x&y"})
        == '</v2/a%20b/tags/list?last=x%26y>; rel="next"'
    )


def test_a_list_of_referrers_is_cut_where_clients_stop_reading() -> None:
    annotations = {"key": "v" * (2 * 1024 * 1024)}
    large = Referrer(Digest.of(b"1"), 1, "a/b", "c/d", annotations)
    body, listed = referrers.encode_index([large, large])
    assert listed == 1
    assert json.loads(body)["manifests"] == [
        {
            "mediaType": "a/b",
            "digest": str(large.digest),
            "size": 1,
            "artifactType": "c/d",
            "annotations": annotations,
        }
    ]
    body, listed = referrers.encode_index([Referrer(large.digest, 1, "a/b", "")] * 2)
    assert listed == 2
    assert (
        referrers.encode_index(
            [Referrer(large.digest, 1, "a/b", ""), Referrer(large.digest, 1, "a/b", "", None)]
        )[1]
        == 1
    )
    assert "artifactType" not in json.loads(body)["manifests"][0]


# --- errors ---------------------------------------------------------------------------------------


def _tree(base: type[StoreError]) -> Iterator[type[StoreError]]:
    yield base
    for below in base.__subclasses__():
        yield from _tree(below)


def test_every_error_of_the_store_has_an_answer() -> None:
    assert {known for known in _TABLE if not issubclass(known, StoreError)} == set()
    for error in _tree(StoreError):
        status, code = next(_TABLE[known] for known in error.__mro__ if known in _TABLE)
        assert 400 <= status < 600
        assert code.isupper()


def test_errors_tell_clients_what_they_can_use_and_nothing_else() -> None:
    digest = Digest.of(b"")
    missing = WireError.of(MissingBlobs([("manifest", "layer 0", digest)]))
    assert (missing.status, missing.code, missing.detail) == (
        404,
        "MANIFEST_BLOB_UNKNOWN",
        [{"digest": str(digest)}],
    )
    # Nothing of archives, which a push knows nothing of, and no beginning of a list that does not
    # come.
    assert missing.message == f"push the manifest's blobs first: the repository lacks {digest}"
    images = WireError.of(
        IncompleteImage("1 thing(s) are not here:\n  layer 0", missing=["layer 0"])
    )
    assert (images.status, images.code, images.detail) == (
        404,
        "MANIFEST_BLOB_UNKNOWN",
        ["layer 0"],
    )
    assert not images.message.endswith(":")
    full = WireError.of(StorageFull("/var/lib/secret: no space"))
    assert full.status == 507
    assert b"secret" not in full.body
    assert json.loads(WireError(400, ErrorCode.UNKNOWN, "a\x1b[31mb").body) == {
        "errors": [{"code": "UNKNOWN", "message": "a\\x1b[31mb"}]
    }
