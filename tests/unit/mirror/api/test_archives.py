"""The endpoint that sends images as archives, requested over a socket."""

from __future__ import annotations

import http.client
import io
from contextlib import closing
from typing import TYPE_CHECKING

import bcrypt
import pytest

import exporter
from mirror.access import Access, read_rules
from mirror.api import archives
from mirror.service import MirrorSettings
from store import Store
from store.errors import StorageFull
from store.model.digests import Digest
from tests.support import images
from tests.support.layouts import INDEX, MANIFEST, encode
from tests.support.logins import basic
from tests.support.waiting import PATIENCE_S, until

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.support.mirror_in_process import InProcessMirror

TAGS = ("demo:1", "quay.io/team/demo:2")


@pytest.fixture
def filled(store: Store) -> Store:
    store.import_archive(io.BytesIO(images.image(images.A, images.B, tags=TAGS).bytes()))
    return store


def saved(store: Store, *names: str, kind: str = "legacy") -> bytes:
    sink = io.BytesIO()
    with exporter.open_save(
        store, names, options=exporter.SaveOptions(exporter.Format(kind))
    ) as export:
        export.write(sink)
    return sink.getvalue()


@pytest.mark.parametrize("kind", ["legacy", "docker", "oci"])
def test_archive_has_the_bytes_of_a_save(kind: str, filled: Store, ask: InProcessMirror) -> None:
    for path, names in (
        ("demo:1", ["demo:1"]),
        ("demo", ["demo"]),
        ("quay.io/team/demo:2,demo:1", ["quay.io/team/demo:2", "demo:1"]),
    ):
        whole = saved(filled, *names, kind=kind)
        got = ask("GET", f"/archives/{kind}/{path}")
        assert (got.status, got.body) == (200, whole)
        assert got.headers["Content-Length"] == str(len(whole))
        assert got.headers["Content-Type"] == "application/x-tar"
        head = ask("HEAD", f"/archives/{kind}/{path}")
        assert (head.status, head.body, head.headers["Content-Length"]) == (
            200,
            b"",
            str(len(whole)),
        )
        assert head.headers["ETag"] == got.headers["ETag"]
    image_id = filled.images()[0].image_id
    assert ask("GET", f"/archives/{kind}/{image_id}").body == saved(
        filled, str(image_id), kind=kind
    )


def test_interrupted_download_resumes(filled: Store, ask: InProcessMirror) -> None:
    whole = saved(filled, "demo:1")
    path = "/archives/legacy/demo:1"
    tag = ask("HEAD", path).headers["ETag"]
    # RFC 9110 section 14.2 defines ranges for GET alone.
    head = ask("HEAD", path, Range="bytes=0-4095")
    assert (head.status, head.headers["Content-Length"]) == (200, str(len(whole)))
    first = ask("GET", path, Range="bytes=0-4095")
    rest = ask("GET", path, Range="bytes=4096-", If_Range=tag)
    assert (first.status, rest.status) == (206, 206)
    assert first.body + rest.body == whole
    assert rest.headers["Content-Range"] == f"bytes 4096-{len(whole) - 1}/{len(whole)}"
    assert ask("GET", path, Range="bytes=4096-", If_Range='"another"').body == whole
    assert ask("GET", path, If_None_Match=tag).status == 304
    beyond = ask("GET", path, Range=f"bytes={len(whole)}-")
    assert (beyond.status, beyond.headers["Content-Range"]) == (416, f"bytes */{len(whole)}")

    # A complete download counts as a save; a request alone does not.
    def saves() -> list[str]:
        return [event.action for event in filled.events(actions=["save"])]

    # The server records the event after it has sent the last byte.
    until(lambda: len(saves()) >= 2)
    assert saves() == ["save", "save"]


def test_readers_write_few_events(
    filled: Store, ask: InProcessMirror, serve: Callable[..., InProcessMirror]
) -> None:
    def reads() -> list[tuple[str, str | None]]:
        return [
            (event.target, event.attributes.get("user"))
            for event in filled.events(actions=["save"])
        ]

    whole = ask("GET", "/archives/oci/demo:1").body
    until(reads)
    before = reads()
    assert {user for _, user in before} == {None}
    for _ in range(5):
        assert ask("GET", "/archives/oci/demo:1", Range="bytes=-1").body == whole[-1:]
        assert ask("GET", "/archives/oci/demo:1").body == whole
    access = Access({"alice": bcrypt.hashpw(b"secret", bcrypt.gensalt(rounds=4))})
    named = serve(MirrorSettings(access=access))
    login = basic("alice", "secret")
    assert named("GET", "/archives/oci/demo:1", Range="bytes=-1", Authorization=login).status == 206
    assert named("GET", "/archives/oci/demo:1", Authorization=login).body == whole
    until(lambda: len(reads()) > len(before))
    assert reads() == before + [(target, "alice") for target, _ in before]


def test_archive_that_cannot_be_recorded_is_still_sent(
    filled: Store,
    ask: InProcessMirror,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """The client gets the whole archive, and can send its next request on the same connection."""

    def full(_store: Store, _reads: object, _reader: str, **_options: object) -> None:
        raise StorageFull("no space left")

    whole = saved(filled, "demo:1")
    monkeypatch.setattr(Store, "record_reads", full)
    connection = http.client.HTTPConnection("127.0.0.1", ask.port, timeout=PATIENCE_S)
    with closing(connection):
        for _ in range(2):
            connection.request("GET", "/archives/legacy/demo:1")
            with connection.getresponse() as answer:
                assert (answer.status, answer.read()) == (200, whole)
    assert "cannot record an archive that was sent: no space left" in caplog.text
    assert not [record for record in caplog.records if record.levelname == "ERROR"]


def test_entity_tag_depends_on_content_and_options(filled: Store, ask: InProcessMirror) -> None:
    def tag(path: str) -> str:
        return str(ask("HEAD", f"/archives/{path}").headers["ETag"])

    assert (
        tag("legacy/demo:1")
        == tag("legacy/docker.io/library/demo:1")
        == tag("legacy/library/demo:1?ns=docker.io")
    )
    assert (
        len(
            {
                tag("legacy/demo:1"),
                tag("docker/demo:1"),
                tag("oci/demo:1"),
                tag("legacy/quay.io/team/demo:2"),
            }
        )
        == 4
    )
    before = tag("oci/demo")
    filled.tag("demo:1", "demo:3")
    assert tag("oci/demo") != before


@pytest.mark.usefixtures("filled")
@pytest.mark.parametrize(
    ("path", "status", "code"),
    [
        ("legacy/none:1", 404, "MANIFEST_UNKNOWN"),
        ("legacy/demo:1,none:1", 404, "MANIFEST_UNKNOWN"),
        ("zip/demo:1", 404, "UNSUPPORTED"),
        ("legacy/", 404, "UNSUPPORTED"),
        ("legacy/demo:1?plattform=linux/amd64", 400, "UNSUPPORTED"),
        ("legacy/demo:1?platform=linux", 400, "UNSUPPORTED"),
        ("legacy/demo:1?referrers=1", 400, "UNSUPPORTED"),
        ("oci/demo:1?sparse=perhaps", 400, "UNSUPPORTED"),
        ("legacy/Demo:1", 400, "NAME_INVALID"),
        ("legacy/demo:1,", 400, "NAME_INVALID"),
        ("legacy/sha256:0123", 400, "DIGEST_INVALID"),
        (f"legacy/sha256:{'0' * 64}", 404, "MANIFEST_UNKNOWN"),
        (f"legacy/{'0' * 64}", 404, "MANIFEST_UNKNOWN"),
        (f"oci/{','.join(['demo:1'] * 101)}", 414, "NAME_INVALID"),
    ],
)
def test_invalid_request_for_an_archive_is_refused(
    path: str, status: int, code: str, ask: InProcessMirror
) -> None:
    answer = ask("GET", f"/archives/{path}")
    assert (answer.status, answer.code) == (status, code)


@pytest.mark.usefixtures("filled")
def test_archive_cannot_be_put(ask: InProcessMirror) -> None:
    assert ask("PUT", "/archives/oci/demo:1").status == 405


# --- permissions ----------------------------------------------------------------------------------

RULES = """
[[rule]]
repositories = ["public/**", "demo"]
who = ["@all"]
allow = ["read", "write"]
"""


@pytest.fixture
def guarded(serve: Callable[..., InProcessMirror]) -> InProcessMirror:
    users = {"alice": bcrypt.hashpw(b"secret", bcrypt.gensalt(rounds=4))}
    return serve(MirrorSettings(access=Access(users, rules=read_rules(RULES))))


def test_every_name_of_an_archive_needs_permission(filled: Store, guarded: InProcessMirror) -> None:
    assert guarded("GET", "/archives/oci/demo:1").status == 200
    for path in ("quay.io/team/demo:2", "demo:1,quay.io/team/demo:2", "quay.io/team/none:1"):
        answer = guarded("GET", f"/archives/oci/{path}")
        assert (answer.status, answer.code) == (401, "UNAUTHORIZED")
    image_id = filled.images()[0].image_id
    assert guarded("GET", f"/archives/legacy/{image_id}").status == 200
    assert guarded("GET", f"/archives/legacy/{'sha256:' + '0' * 64}").status == 401


def test_pushed_index_gives_no_content_away(store: Store, guarded: InProcessMirror) -> None:
    """A client that may push and knows a digest gets no access to that digest's content."""
    store.import_archive(io.BytesIO(images.image(images.A, tags=("secret:1",)).bytes()))
    (summary,) = store.images()
    secret = summary.manifests[0]
    size = store.sources((secret,))[secret].size_bytes
    index = encode(
        {
            "schemaVersion": 2,
            "mediaType": INDEX,
            "manifests": [{"mediaType": MANIFEST, "digest": str(secret), "size": size}],
        }
    )
    assert guarded("PUT", "/v2/public/mine/manifests/1", index, Content_Type=INDEX).status == 201
    absent = Digest.of(b"absent")
    other = index.replace(str(secret).encode(), str(absent).encode())
    assert guarded("PUT", "/v2/public/mine/manifests/2", other, Content_Type=INDEX).status == 201
    for kind in ("oci", "docker", "legacy"):
        here, nowhere = (guarded("GET", f"/archives/{kind}/public/mine:{tag}") for tag in (1, 2))
        assert (here.status, here.code) == (nowhere.status, nowhere.code)
        assert here.status == (400 if kind == "legacy" else 404)
        named = here.body.replace(str(secret).encode(), str(absent).encode())
        old, new = (str(Digest.of(data)).encode() for data in (index, other))
        assert named.replace(old, new).replace(b"mine:1", b"mine:2") == nowhere.body
    assert guarded("GET", f"/archives/legacy/{summary.image_id}").status == 401
    assert guarded("GET", f"/v2/public/mine/manifests/{secret}").status == 404


def test_pushed_config_gives_no_layer_away(store: Store, guarded: InProcessMirror) -> None:
    store.import_archive(io.BytesIO(images.image(images.A, tags=("secret:1",)).bytes()))
    (summary,) = store.images()
    config = store.document(summary.image_id.digest)
    assert config is not None
    for data in (config, b"not the layer"):
        assert (
            guarded("POST", f"/v2/public/mine/blobs/uploads/?digest={Digest.of(data)}", data).status
            == 201
        )
    layers = [
        {
            "mediaType": "application/vnd.oci.image.layer.v1.tar",
            "digest": str(Digest.of(b"not the layer")),
            "size": 13,
        }
    ]
    described = {
        "mediaType": "application/vnd.oci.image.config.v1+json",
        "digest": str(Digest.of(config)),
        "size": len(config),
    }
    manifest = encode(
        {"schemaVersion": 2, "mediaType": MANIFEST, "config": described, "layers": layers}
    )
    assert (
        guarded("PUT", "/v2/public/mine/manifests/1", manifest, Content_Type=MANIFEST).status == 201
    )
    answer = guarded("GET", "/archives/legacy/public/mine:1")
    assert (answer.status, answer.code) == (404, "MANIFEST_BLOB_UNKNOWN")
    assert images.A not in answer.body


def test_the_notes_of_an_answer_have_a_ceiling() -> None:
    assert archives.notes(["one", "t\u00e9\n"]) == ["one", "t\\xe9\\n"]
    shown = archives.notes(["x" * 10_000] * 1000)
    assert shown == ["x" * 300 + "..."] * 20 + ["980 more notes"]
