"""Malformed and hostile requests.

Every answer is well formed, no answer reports a failure of the server, and no state is left.

``STORECTL_FUZZ=20000`` makes a long run.
"""

from __future__ import annotations

import json
import os
import string
from typing import TYPE_CHECKING, Final

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from store import Store
from store.maintenance.reports import Severity
from store.model.digests import Digest
from tests.support.layouts import CONFIG, EMPTY, INDEX, LAYER, MANIFEST, encode
from tests.support.mirror_process import Mirror
from tests.support.raw_http import Closed, RawConnection, Reply, chunked, request

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

EXAMPLES: Final = int(os.environ.get("STORECTL_FUZZ", "150"))
THOROUGH: Final = settings(
    max_examples=EXAMPLES,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)

BLOB: Final = b"a blob that is here"
HERE: Final = str(Digest.of(BLOB))
CODES: Final = frozenset(
    [
        "BLOB_UNKNOWN",
        "BLOB_UPLOAD_INVALID",
        "BLOB_UPLOAD_UNKNOWN",
        "DIGEST_INVALID",
        "MANIFEST_BLOB_UNKNOWN",
        "MANIFEST_INVALID",
        "MANIFEST_UNKNOWN",
        "NAME_INVALID",
        "NAME_UNKNOWN",
        "SIZE_INVALID",
        "UNAUTHORIZED",
        "DENIED",
        "UNSUPPORTED",
        "TOOMANYREQUESTS",
        "RANGE_INVALID",
        "TAG_INVALID",
        "PAGINATION_NUMBER_INVALID",
        "UNKNOWN",
    ]
)
"""The specification's error codes, and older codes that registries use too."""


class Target:
    """A server that holds little content.

    Every request has its own connection, so that no request affects another.
    """

    def __init__(self, mirror: Mirror) -> None:
        self.mirror = mirror
        self.place = str(
            self.ask(request("POST", "/v2/app/blobs/uploads/", b""), "POST").header("location")
        )

    def ask(self, data: bytes, method: str) -> Reply:
        with RawConnection(self.mirror.port) as wire:
            wire.send(data)
            reply = wire.reply(method)
            assert is_http_error(reply) or wire.is_silent(0)
            return reply


@pytest.fixture(scope="module")
def target(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Target]:
    root = tmp_path_factory.mktemp("requests") / "store"
    with Mirror(root, "-q") as mirror:
        for name in ("app", "example.org/other"):
            assert (
                mirror.request("POST", f"/v2/{name}/blobs/uploads/?digest={HERE}", BLOB)[0] == 201
            )
            assert (
                mirror.request(
                    "POST", f"/v2/{name}/blobs/uploads/?digest={Digest.of(b'{}')}", b"{}"
                )[0]
                == 201
            )
        yield Target(mirror)
        assert mirror.stop() == 0
        log = mirror.log.read_text()
        assert "Traceback" not in log, log[-5000:]
        assert "ERROR" not in log, log[-5000:]
    with Store.open(root) as store:
        # The layers of an image may contradict its config, which is a warning.
        assert [one for one in store.fsck() if one.severity is Severity.ERROR] == []
        _uploads_are_known(root, store)


def _uploads_are_known(root: Path, store: Store) -> None:
    from sqlalchemy import text

    with store.read() as connection:
        rows = {str(row[0]) for row in connection.execute(text("SELECT id FROM upload"))}
    assert {path.name for path in (root / "uploads").iterdir()} == rows


def is_http_error(reply: Reply) -> bool:
    """Return whether the request failed in the HTTP server, before it reached the registry.

    Either the request is not valid HTTP, which ends the connection, or its Expect field is unknown.
    Even a HEAD request then gets a body with the reason.
    """
    return reply.status == 417 or (
        reply.status in (400, 414, 431, 501, 505) and not reply.stays_open
    )


def assert_well_formed(reply: Reply, method: str, *, ours: bool = True) -> None:
    """Check the form of an answer.

    ``ours`` says whether the request surely reached the registry, whose errors are in JSON.
    """
    assert reply.status < 500 or is_http_error(reply), (reply.status, reply.body)
    assert reply.header("server") == "storectl"
    if reply.status >= 400 and (method != "HEAD" or reply.body) and ours:
        assert reply.header("content-type") in (
            "application/json",
            "application/json; charset=utf-8",
        )
        for one in reply.json["errors"]:
            assert one["code"] in CODES
            assert one["message"]


# --- requests that are HTTP -----------------------------------------------------------------------

METHODS: Final = ("GET", "HEAD", "PUT", "POST", "PATCH", "DELETE", "OPTIONS", "TRACE", "PROPFIND")
NAMES: Final = (
    "app",
    "library/app",
    "example.org/other",
    "_/by-id",
    "A",
    "a//b",
    "..",
    "%2e%2e/%2e%2e/etc",
    "a" * 300,
    "caf%C3%A9",
    "%ff%fe",
    "%00",
    "x'--",
    "docker.io",
)
DIGESTS: Final = (
    HERE,
    str(Digest.of(b"not here")),
    "sha256:short",
    "sha512:" + "0" * 128,
    "sha256:" + "A" * 64,
    "md5:" + "0" * 32,
    ":",
    "sha256:",
)
TAGS: Final = (
    "latest",
    "v1",
    "a" * 128,
    "a" * 129,
    "-x",
    "%20",
    "%0d%0aX-Injected:%20yes",
    "café",
    "..",
    "%2F",
)
QUERIES: Final = (
    ("n", ("0", "1", "-1", "1e9", "9" * 30, "")),
    ("last", ("", "v1", "%00", "\u00e9", "' OR 1=1 --")),
    ("ns", ("docker.io", "example.org", "", "a b", "x/y", "EXAMPLE", "[::1]:5000", "\r\nX: y")),
    ("digest", (*DIGESTS, "")),
    ("mount", DIGESTS),
    ("from", NAMES),
    ("tag", TAGS),
    ("artifactType", ("", "a/b", "%00", "x" * 3000)),
    ("digest-algorithm", ("sha256", "sha512", "md5", "")),
    ("unknown", ("1",)),
)
FIELDS: Final = (
    (
        "Range",
        (
            "bytes=0-",
            "bytes=5-1",
            "bytes=-0",
            "bytes=-5",
            "bytes=99-",
            "bytes=0-0,2-3",
            "chars=1-",
            "bytes=" + "9" * 40 + "-",
            "",
        ),
    ),
    ("Content-Range", ("0-9", "bytes 0-9/10", "5-1", "9" * 30 + "-", "x", "0-0")),
    (
        "Content-Type",
        (MANIFEST, INDEX, "application/json", "text/html; charset=x", "\x7f", "a/b;" * 200, ""),
    ),
    ("If-None-Match", ("*", f'"{HERE}"', 'W/"x", "y"', "," * 50)),
    ("If-Range", (f'"{HERE}"', "Wed, 21 Oct 2015 07:28:00 GMT", "")),
    ("Accept", ("*/*", MANIFEST, "nonsense")),
    ("Authorization", ("Basic", "Basic !!!!", "Basic YTpi", "Bearer x", "Bearer " + "x" * 4000)),
    ("Expect", ("100-continue", "200-ok")),
    ("Content-Encoding", ("gzip", "br")),
    ("Accept-Encoding", ("gzip", "identity;q=0")),
    ("Connection", ("close", "keep-alive", "upgrade")),
    ("Upgrade", ("h2c", "websocket")),
    ("X-Forwarded-For", ("' --", "\x01")),
    ("Cookie", ("a=b; c",)),
)
_VISIBLE: Final = "".join(one for one in string.printable if one not in string.whitespace)


def _percent(text: str) -> str:
    from urllib.parse import quote

    return quote(text, safe=string.ascii_letters + string.digits + "%/:._-'!~*()")


def _pairs(table: Sequence[tuple[str, Sequence[str]]]) -> st.SearchStrategy[tuple[str, str]]:
    return st.sampled_from(table).flatmap(
        lambda row: st.tuples(st.just(row[0]), st.sampled_from(row[1]))
    )


_words = st.text(_VISIBLE, max_size=20)
_name = st.sampled_from(NAMES) | _words
_ends = st.one_of(
    st.just("/blobs/uploads/"),
    st.just("/blobs/uploads"),
    st.just("/tags/list"),
    st.builds("/blobs/{}".format, st.sampled_from(DIGESTS) | _words),
    st.builds(
        "/blobs/uploads/{}".format,
        st.sampled_from(("0" * 32, "..%2f..%2fstore.db", "../store.db")) | _words,
    ),
    st.builds("/manifests/{}".format, st.sampled_from((*DIGESTS, *TAGS)) | _words),
    st.builds("/referrers/{}".format, st.sampled_from(DIGESTS) | _words),
    _words,
)
_paths = st.one_of(
    st.builds(lambda name, end: f"/v2/{name}{end}", _name, _ends),
    st.builds(lambda end: f"/v2/app{end}", _ends),
    st.builds(
        "/archives/{}/{}".format,
        st.sampled_from(("oci", "docker", "legacy", "zip", "")),
        _name | st.sampled_from(("app:latest", f"app@{HERE}")),
    ),
    st.sampled_from(
        (
            "/token",
            "/metrics",
            "/token?service=x&scope=repository:app:pull",
            "/archives/",
            "/archives",
        )
    ),
    st.sampled_from(
        (
            "/v2",
            "/v2/",
            "/v2/_catalog",
            "/v1/",
            "/",
            "//",
            "/v2//",
            "/v2/app/",
            "/healthz",
            "/readyz",
            "UPLOAD",
            "*",
        )
    ),
    st.text(_VISIBLE, max_size=40).map("/{}".format),
)
_queries = st.lists(_pairs(QUERIES), max_size=3)
_fields = st.lists(_pairs(FIELDS), max_size=3)
_bodies = st.none() | st.binary(max_size=300) | st.just(BLOB) | st.just(b"{}")


@THOROUGH
@example(
    method="POST",
    path="/v2/app/blobs/uploads/",
    query=[("digest", HERE)],
    fields=[("Expect", "100-continue")],
    body=BLOB,
    chunks=True,
)
@example(
    method="PATCH",
    path="UPLOAD",
    query=[],
    fields=[("Content-Range", "0-9")],
    body=b"0123456789",
    chunks=True,
)
@given(
    method=st.sampled_from(METHODS),
    path=_paths,
    query=_queries,
    fields=_fields,
    body=_bodies,
    chunks=st.booleans(),
)
def test_any_request_has_a_proper_answer(
    method: str,
    path: str,
    query: list[tuple[str, str]],
    fields: list[tuple[str, str]],
    body: bytes | None,
    chunks: bool,
    target: Target,
) -> None:
    place = target.place if path == "UPLOAD" else path
    text = _percent(place) + (
        "?" + "&".join(f"{key}={_percent(value)}" for key, value in query) if query else ""
    )
    if chunks and body is not None:
        data = request(method, text, fields=[*fields, ("Transfer-Encoding", "chunked")]) + chunked(
            body
        )
    else:
        data = request(method, text, body, fields)
    reply = target.ask(data, method)
    assert_well_formed(reply, method, ours=text.partition("?")[0].startswith("/v2/"))
    assert "x-injected" not in dict(reply.fields)


# --- manifests ------------------------------------------------------------------------------------

_links = st.fixed_dictionaries(
    {},
    optional={
        "mediaType": (
            st.sampled_from((MANIFEST, INDEX, CONFIG, LAYER, EMPTY, "", "x")) | _words | st.none()
        ),
        "digest": st.sampled_from((*DIGESTS, str(Digest.of(b"{}")))) | st.none(),
        "size": st.sampled_from((len(BLOB), 2, 0, -1, 2**63, 2**64, 1.5, "2", None, True)),
        "urls": st.lists(_words, max_size=2) | st.none(),
        "annotations": (
            st.dictionaries(st.text(max_size=5), st.text(max_size=5) | st.integers(), max_size=2)
            | st.none()
        ),
        "platform": st.dictionaries(
            st.sampled_from(("os", "architecture", "variant", "os.features")),
            _words | st.none() | st.lists(_words),
            max_size=3,
        ),
        "data": st.sampled_from(("e30=", "!", "", None)),
        "artifactType": _words,
    },
)
_json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3)
    ),
    max_leaves=8,
)
_documents = st.fixed_dictionaries(
    {},
    optional={
        "schemaVersion": st.sampled_from((2, 1, "2", None, 2.0)),
        "mediaType": st.sampled_from(
            (MANIFEST, INDEX, "application/vnd.docker.distribution.manifest.v2+json", "", "x", None)
        ),
        "config": _links | _json,
        "layers": st.lists(_links, max_size=3) | _json,
        "manifests": st.lists(_links, max_size=3) | _json,
        "subject": _links | _json,
        "artifactType": _words | _json,
        "annotations": (
            st.dictionaries(st.text(max_size=5), st.text(max_size=5), max_size=2) | _json
        ),
        "unknown": _json,
    },
)
_GOOD: Final = {
    "schemaVersion": 2,
    "mediaType": MANIFEST,
    "config": {"mediaType": EMPTY, "digest": str(Digest.of(b"{}")), "size": 2},
    "layers": [],
}


@THOROUGH
@given(
    document=st.one_of(_documents, _documents.map(lambda some: _GOOD | some), _json),
    media_type=st.sampled_from(
        (
            MANIFEST,
            INDEX,
            "",
            "application/json",
            "application/vnd.docker.distribution.manifest.list.v2+json",
        )
    ),
    reference=st.sampled_from(("latest", "DIGEST", "OTHER")),
    cut=st.integers(0, 3),
)
def test_any_manifest_is_accepted_or_refused(
    document: object, media_type: str, reference: str, cut: int, target: Target
) -> None:
    data = json.dumps(document).encode()
    data = data[: len(data) - cut] if cut else data
    name = {"DIGEST": str(Digest.of(data)), "OTHER": HERE}.get(reference, reference)
    reply = target.ask(
        request(
            "PUT",
            f"/v2/app/manifests/{name}",
            data,
            [("Content-Type", media_type)] if media_type else [],
        ),
        "PUT",
    )
    assert_well_formed(reply, "PUT")
    if reply.status == 201:
        back = target.ask(request("GET", str(reply.header("location"))), "GET")
        assert back.body == data
        assert_well_formed(target.ask(request("GET", "/v2/app/tags/list"), "GET"), "GET")
    assert target.ask(request("GET", f"/v2/app/referrers/{HERE}"), "GET").status == 200


# --- bytes ----------------------------------------------------------------------------------------

_SEEDS: Final = (
    request("GET", f"/v2/app/blobs/{HERE}", fields=[("Range", "bytes=1-3")]),
    request("POST", f"/v2/app/blobs/uploads/?digest={HERE}", BLOB),
    request("POST", "/v2/app/blobs/uploads/", fields=[("Transfer-Encoding", "chunked")])
    + chunked(b"some", b"bytes"),
    request("PUT", "/v2/app/manifests/latest", encode(_GOOD), [("Content-Type", MANIFEST)]),
    request("GET", "/v2/") * 3,
)
_INSERTS: Final = (
    b"\r\n",
    b"\n",
    b"\0",
    b":",
    b" ",
    b"Content-Length: 5\r\n",
    b"Transfer-Encoding: chunked\r\n",
    b"\xff",
    b"HTTP/1.1",
    b"ffffffffffffffff\r\n",
    b"-",
)


@st.composite
def _mutated(draw: st.DrawFn) -> bytes:
    data = bytearray(draw(st.sampled_from(_SEEDS)))
    for _ in range(draw(st.integers(1, 4))):
        at = draw(st.integers(0, len(data)))
        size = draw(st.integers(0, 12))
        data[at : at + size] = draw(st.sampled_from(_INSERTS) | st.binary(max_size=6))
    return bytes(data)


@THOROUGH
@given(data=_mutated() | st.binary(min_size=1, max_size=200))
def test_any_bytes_get_an_answer_or_a_closed_connection(data: bytes, target: Target) -> None:
    with RawConnection(target.mirror.port, timeout_s=0.05) as wire:
        wire.send(data)
        try:
            for _ in range(20):
                # An answer to HEAD has no body. Mutations seldom make a HEAD request from a
                # different one.
                assert_well_formed(
                    wire.reply("HEAD" if data.startswith(b"HEAD") else "GET"), "GET", ours=False
                )
        except (Closed, TimeoutError):
            # The server has closed the connection, or waits for more bytes.
            pass
