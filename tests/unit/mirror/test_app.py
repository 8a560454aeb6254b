"""The registry over a socket."""

from __future__ import annotations

import asyncio
import base64
import io
import json
import os
import random
import socket
import threading
import time
from contextlib import suppress
from typing import TYPE_CHECKING

import bcrypt
import pytest
import uvloop
from sqlalchemy import Engine, event

from mirror.access import Access
from mirror.service import MirrorSettings
from store.model.contents import ContentState
from store.model.digests import Digest
from store.registry.registry import Sparse
from tests.support import images
from tests.support.layouts import INDEX, MANIFEST, encode
from tests.support.mirror_in_process import Served
from tests.support.waiting import PATIENCE_S, until, until_in_loop

if TYPE_CHECKING:
    from collections.abc import Callable

    from store import Store

LARGE = random.Random(12).randbytes(1 << 20) * 6

HUGE = LARGE * 6
"""More than the buffers of two sockets hold."""


def push(ask: Served, data: bytes, name: str = "app") -> str:
    digest = str(Digest.of(data))
    answer = ask("POST", f"/v2/{name}/blobs/uploads/?digest={digest}", data)
    assert answer.status == 201, answer.body
    assert ask("GET", answer.headers["Location"]).body == data
    return digest


def artifact(ask: Served, **members: object) -> bytes:
    config = push(ask, b"{}")
    return encode(
        {
            "schemaVersion": 2,
            "mediaType": MANIFEST,
            "config": {"mediaType": "a/b", "digest": config, "size": 2},
            "layers": [],
            **members,
        }
    )


def take_in(store: Store, archive: bytes) -> None:
    store.import_archive(io.BytesIO(archive))


# --- the frame ------------------------------------------------------------------------------------


def test_base_health_and_what_is_not_there(ask: Served) -> None:
    for path in ("/v2/", "/v2"):
        answer = ask("GET", path)
        assert (answer.status, answer.json) == (200, {})
        assert answer.headers["Docker-Distribution-Api-Version"] == "registry/2.0"
    assert ask("GET", "/healthz").body == b"ok\n"
    assert ask("GET", "/readyz").body == b"ok\n"
    for path in ("/v2/x", "/v2x", "/v2/app/manifests/", "/v2/a%0d%0ab/tags/list"):
        answer = ask("GET", path)
        assert (answer.status, answer.code) == (404, "UNSUPPORTED")
    assert ask("GET", "/").status == 404
    for method, path in (
        ("POST", "/v2/"),
        ("PATCH", "/v2/app/manifests/1"),
        ("PUT", "/v2/app/tags/list"),
    ):
        answer = ask(method, path)
        assert (answer.status, answer.code) == (405, "UNSUPPORTED")
        assert answer.headers["Allow"]


def test_readiness_is_red_when_the_store_cannot_be_read_or_filled(
    ask: Served, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    from mirror.api import health

    monkeypatch.setattr(health, "MIN_FREE_BYTES", 1 << 62)
    assert (ask("GET", "/readyz").status, ask("GET", "/readyz").body) == (
        503,
        b"the disk is full\n",
    )
    (store.root / "store.db").rename(store.root / "gone")
    store.close()
    assert ask("GET", "/readyz").status == 503


@pytest.mark.parametrize("name", ["App", "a//b", "_/by-id/x", "..", "a'--"])
def test_bad_names(name: str, ask: Served) -> None:
    answer = ask("GET", f"/v2/{name}/tags/list")
    assert (answer.status, answer.code) == (400, "NAME_INVALID")


def test_faults_of_ours_are_logged_and_not_shown(
    ask: Served, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    from store.registry.registry import Registry

    def fail(*_args: object, **_named: object) -> None:
        raise RuntimeError("the secret path")

    monkeypatch.setattr(Registry, "tags", fail)
    answer = ask("GET", "/v2/app/tags/list")
    assert (answer.status, answer.code) == (500, "UNKNOWN")
    assert b"secret" not in answer.body
    assert "the secret path" in caplog.text


# --- blobs ----------------------------------------------------------------------------------------


def test_blobs_whole_in_part_and_conditionally(
    serve: Callable[..., Served], loop_factory: Callable[[], asyncio.AbstractEventLoop]
) -> None:
    ask = serve(None, loop_factory)
    digest = push(ask, LARGE)
    path = f"/v2/app/blobs/{digest}"
    head = ask("HEAD", path)
    assert (head.status, head.headers["Content-Length"], head.body) == (200, str(len(LARGE)), b"")
    assert head.headers["Docker-Content-Digest"] == digest
    assert head.headers["Accept-Ranges"] == "bytes"
    part = ask("GET", path, Range="bytes=1000-3000000")
    assert (part.status, part.body) == (206, LARGE[1000:3000001])
    assert part.headers["Content-Range"] == f"bytes 1000-3000000/{len(LARGE)}"
    tag = head.headers["ETag"]
    assert ask("GET", path, If_None_Match=tag).status == 304
    assert ask("GET", path, Range="bytes=-5", If_Range=tag).body == LARGE[-5:]
    assert ask("GET", path, Range="bytes=-5", If_Range='"other"').body == LARGE
    refused = ask("GET", path, Range=f"bytes={len(LARGE)}-")
    assert (refused.status, refused.headers["Content-Range"]) == (416, f"bytes */{len(LARGE)}")


def test_many_requests_over_one_connection(ask: Served) -> None:
    """What is sent beside the transport must neither overtake its head nor be overtaken by the next answer."""
    import http.client

    digest = push(ask, LARGE)
    connection = http.client.HTTPConnection("127.0.0.1", ask.port, timeout=PATIENCE_S)
    for _ in range(3):
        for path, body in ((f"/v2/app/blobs/{digest}", LARGE), ("/v2/", b"{}\n")):
            connection.request("GET", path)
            with connection.getresponse() as response:
                assert response.read() == body
    connection.close()


def test_a_slow_reader_gets_every_byte(ask: Served) -> None:
    digest = push(ask, HUGE)
    with socket.create_connection(("127.0.0.1", ask.port)) as client:
        client.sendall(
            f"GET /v2/app/blobs/{digest} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode()
        )
        time.sleep(0.3)
        got = bytearray()
        while piece := client.recv(1 << 16):
            got += piece
    assert bytes(got).partition(b"\r\n\r\n")[2] == HUGE


def test_a_reader_that_goes_away_does_no_harm(ask: Served) -> None:
    digest = push(ask, HUGE)
    for _ in range(5):
        with socket.create_connection(("127.0.0.1", ask.port)) as client:
            client.sendall(f"GET /v2/app/blobs/{digest} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
            client.recv(100)
    assert ask("GET", f"/v2/app/blobs/{digest}").body == HUGE


def test_a_reader_that_stops_reading_is_given_up(
    ask: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    from mirror.transfer import client_progress as taking

    monkeypatch.setattr(taking, "STALL_S", 0.2)
    digest = push(ask, HUGE)
    with socket.create_connection(("127.0.0.1", ask.port)) as client:
        client.sendall(f"GET /v2/app/blobs/{digest} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
        got = len(client.recv(1))
        until(lambda: not ask.connections)
        with suppress(ConnectionError):
            while piece := client.recv(1 << 16):
                got += len(piece)
    assert 0 < got < len(HUGE)


def test_a_layer_of_an_archive_is_decoded_on_the_way(ask: Served, store: Store) -> None:
    layer = images.layer("big", LARGE)
    take_in(store, images.image(layer, tags=("big:1",)).bytes())
    manifest = ask("GET", "/v2/big/manifests/1").json
    digest = manifest["layers"][0]["digest"]
    assert digest == str(Digest.of(layer))
    path = f"/v2/library/big/blobs/{digest}"
    assert ask("GET", path).body == layer
    assert ask("GET", path, Range="bytes=4194300-4194310").body == layer[4194300:4194311]
    assert ask("HEAD", path).headers["Content-Length"] == str(len(layer))


def test_a_damaged_layer_is_cut_off_and_then_no_longer_served(ask: Served, store: Store) -> None:
    import http.client

    layer = images.layer("big", random.Random(13).randbytes(9 << 20))
    take_in(store, images.image(layer, tags=("big:1",)).bytes())
    (stored,) = [
        one for one in store.blobs.digests() if store.blobs.path(one).stat().st_size > 1000
    ]
    with store.blobs.path(stored).open("r+b") as file:
        file.seek(-3_000, os.SEEK_END)
        file.write(b"damage")
    path = f"/v2/big/blobs/{Digest.of(layer)}"
    with pytest.raises((http.client.IncompleteRead, ConnectionError)):
        ask("GET", path)
    # The transfer is cut off first and the damage written down then.
    until(
        lambda: (
            store.sources((Digest.of(layer),))[Digest.of(layer)].state is not ContentState.PRESENT
        )
    )
    answer = ask("GET", path)
    assert (answer.status, answer.code) == (404, "BLOB_UNKNOWN")


def test_deletes(ask: Served) -> None:
    digest = push(ask, b"data")
    assert ask("DELETE", f"/v2/app/blobs/{digest}").status == 202
    for method in ("GET", "HEAD", "DELETE"):
        assert ask(method, f"/v2/app/blobs/{digest}").status == 404
    assert ask("GET", "/v2/app/blobs/sha256:bad").code == "DIGEST_INVALID"


# --- uploads --------------------------------------------------------------------------------------


def test_pieces(ask: Served) -> None:
    begun = ask("POST", "/v2/app/blobs/uploads/")
    assert (begun.status, begun.headers["Range"]) == (202, "0-0")
    place = begun.headers["Location"]
    assert place.endswith(begun.headers["Docker-Upload-UUID"])
    first = ask("PATCH", place, b"01234", Content_Range="0-4")
    assert (first.status, first.headers["Range"]) == (202, "0-4")
    wrong = ask("PATCH", place, b"789", Content_Range="7-9")
    assert (wrong.status, wrong.code) == (416, "BLOB_UPLOAD_INVALID")
    status = ask("GET", place)
    assert (status.status, status.headers["Range"]) == (204, "0-4")
    assert ask("PATCH", place, b"56", Content_Range="5-9").code == "SIZE_INVALID"
    assert ask("PATCH", place, b"56", Content_Range="x").code == "BLOB_UPLOAD_INVALID"
    assert ask("PUT", place, b"").code == "DIGEST_INVALID"
    assert ask("PUT", f"{place}?digest=sha256:0", b"").code == "DIGEST_INVALID"
    done = ask("PUT", f"{place}?digest={Digest.of(b'0123456789')}", b"56789", Content_Range="5-9")
    assert done.status == 201
    assert ask("GET", done.headers["Location"]).body == b"0123456789"
    assert ask("GET", place).code == "BLOB_UPLOAD_UNKNOWN"


def test_cancelling(ask: Served) -> None:
    place = ask("POST", "/v2/app/blobs/uploads/").headers["Location"]
    assert ask("DELETE", place).status == 204
    assert ask("DELETE", place).status == 404


def test_a_wrong_digest(ask: Served, store: Store) -> None:
    answer = ask("POST", f"/v2/app/blobs/uploads/?digest={Digest.of(b'x')}", b"y")
    assert (answer.status, answer.code) == (400, "DIGEST_INVALID")
    assert ask("POST", "/v2/app/blobs/uploads/?digest-algorithm=md5").code == "DIGEST_INVALID"
    assert ask("POST", "/v2/app/blobs/uploads/?digest-algorithm=sha512").status == 202
    assert list(store.blobs.digests()) == []


def test_a_sender_that_goes_away_can_go_on_where_it_stopped(ask: Served, store: Store) -> None:
    place = ask("POST", "/v2/app/blobs/uploads/").headers["Location"]
    with socket.create_connection(("127.0.0.1", ask.port)) as client:
        client.sendall(
            f"PATCH {place} HTTP/1.1\r\nHost: x\r\nContent-Length: {len(LARGE)}\r\n\r\n".encode()
            + LARGE[: 3 << 20]
        )
        until(lambda: (store.root / "uploads" / place.rpartition("/")[2]).stat().st_size > 1)
    # What had come by then may still be on its way to the disk.
    until(lambda: not ask.connections)
    offset = int(ask("GET", place).headers["Range"].partition("-")[2]) + 1
    assert 1 < offset <= 3 << 20
    done = ask(
        "PUT",
        f"{place}?digest={Digest.of(LARGE)}",
        LARGE[offset:],
        Content_Range=f"{offset}-{len(LARGE) - 1}",
    )
    assert done.status == 201


def test_a_body_that_stops_coming(serve: Callable[..., Served]) -> None:
    ask = serve(MirrorSettings(body_timeout_s=0.2))
    place = ask("POST", "/v2/app/blobs/uploads/").headers["Location"]
    for path in (place, "/v2/app/manifests/1"):
        with socket.create_connection(("127.0.0.1", ask.port)) as client:
            method = "PATCH" if path == place else "PUT"
            client.sendall(
                f"{method} {path} HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\nonly this".encode()
            )
            assert client.recv(1000).split()[1] == b"408"


def test_headers_that_trickle_are_given_up(store: Store) -> None:
    with (
        Served(store, MirrorSettings(), uvloop.new_event_loop, keepalive_s=0.3) as ask,
        socket.create_connection(("127.0.0.1", ask.port)) as client,
    ):
        client.sendall(b"GET /v2/ HTTP/1.1\r\nX: ")
        client.settimeout(0.02)

        def has_ended() -> bool:
            try:
                client.sendall(b"a")
                return client.recv(1) == b""
            except TimeoutError:
                return False
            except ConnectionError:
                return True

        until(has_ended)


def test_one_upload_for_ten_clients_at_once(ask: Served, store: Store) -> None:
    statuses: list[int] = []
    digest = Digest.of(LARGE)

    def one() -> None:
        statuses.append(ask("POST", f"/v2/app/blobs/uploads/?digest={digest}", LARGE).status)

    threads = [threading.Thread(target=one) for _ in range(10)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert statuses == [201] * 10
    assert list(store.blobs.digests()) == [digest]
    assert not list((store.root / "uploads").iterdir())


def test_mounts(ask: Served) -> None:
    digest = push(ask, b"data", "one")
    for path in (
        f"/v2/two/blobs/uploads/?mount={digest}&from=one",
        f"/v2/three/blobs/uploads/?mount={digest}",
    ):
        answer = ask("POST", path)
        assert (answer.status, answer.headers["Docker-Content-Digest"]) == (201, digest)
        assert ask("GET", answer.headers["Location"]).body == b"data"
    for query in (
        f"mount={digest}&from=nothing",
        f"mount={digest}&from=No",
        f"mount={Digest.of(b'-')}",
    ):
        assert ask("POST", f"/v2/two/blobs/uploads/?{query}").status == 202
    assert ask("POST", "/v2/two/blobs/uploads/?mount=x").code == "DIGEST_INVALID"


# --- manifests ------------------------------------------------------------------------------------


def test_manifests_by_tag_and_digest(ask: Served) -> None:
    data = artifact(ask)
    digest = Digest.of(data)
    put = ask("PUT", "/v2/app/manifests/1", data, Content_Type=f"{MANIFEST}; charset=utf-8")
    assert (put.status, put.headers["Docker-Content-Digest"]) == (201, str(digest))
    assert ask("GET", put.headers["Location"]).body == data
    got = ask("GET", "/v2/app/manifests/1")
    assert (got.body, got.headers["Content-Type"], got.headers["ETag"]) == (
        data,
        MANIFEST,
        f'"{digest}"',
    )
    assert ask("HEAD", "/v2/app/manifests/1").headers["Content-Length"] == str(len(data))
    assert ask("GET", "/v2/app/manifests/1", If_None_Match=f'"{digest}"').status == 304
    long = Digest.of(data, "sha512")
    more = ask("PUT", f"/v2/app/manifests/{long}?tag=a&tag=b", data, Content_Type=MANIFEST)
    assert more.headers.get_all("OCI-Tag") == ["a", "b"]
    assert ask("GET", "/v2/app/tags/list").json == {"name": "library/app", "tags": ["1", "a", "b"]}
    assert ask("GET", "/v2/app/manifests/a").headers["Docker-Content-Digest"] == str(long)
    assert (
        ask("PUT", f"/v2/app/manifests/2?digest={digest}", data, Content_Type=MANIFEST).status
        == 201
    )
    assert ask("DELETE", "/v2/app/manifests/2").status == 202
    assert ask("DELETE", f"/v2/app/manifests/{long}").status == 202
    assert ask("GET", "/v2/app/tags/list").json["tags"] == ["1"]
    for path in ("/v2/app/manifests/2", f"/v2/app/manifests/{long}"):
        for method in ("GET", "DELETE"):
            answer = ask(method, path)
            assert (answer.status, answer.code) == (404, "MANIFEST_UNKNOWN")


def test_bad_manifests(ask: Served) -> None:
    data = artifact(ask)
    assert ask("PUT", "/v2/app/manifests/1", b"{}").code == "MANIFEST_INVALID"
    assert ask("PUT", "/v2/app/manifests/-", data).code == "TAG_INVALID"
    assert ask("PUT", f"/v2/app/manifests/{Digest.of(b'')}", data).code == "DIGEST_INVALID"
    assert ask("PUT", "/v2/app/manifests/1", b" " * (4 << 20) + data).status == 413
    assert (
        ask(
            "PUT",
            f"/v2/app/manifests/{Digest.of(data)}?" + "&".join(f"tag=t{n}" for n in range(101)),
            data,
        ).status
        == 414
    )
    missing = ask("PUT", "/v2/other/manifests/1", data, Content_Type=MANIFEST)
    assert (missing.status, missing.code) == (404, "MANIFEST_BLOB_UNKNOWN")
    assert missing.json["errors"][0]["detail"] == [{"digest": str(Digest.of(b"{}"))}]


def test_a_body_without_a_length_has_a_ceiling_too(ask: Served) -> None:
    with socket.create_connection(("127.0.0.1", ask.port)) as client:
        client.sendall(
            b"PUT /v2/app/manifests/1 HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
        )
        client.sendall(b"500000\r\n" + bytes(0x500000) + b"\r\n0\r\n\r\n")
        assert client.recv(100).split()[1] == b"413"


def test_indexes_may_be_sparse_unless_said_otherwise(serve: Callable[..., Served]) -> None:
    child = {"mediaType": MANIFEST, "digest": str(Digest.of(b"-")), "size": 1}
    data = encode({"schemaVersion": 2, "mediaType": INDEX, "manifests": [child]})
    assert serve()("PUT", "/v2/app/manifests/1", data, Content_Type=INDEX).status == 201
    assert (
        serve(MirrorSettings(sparse=Sparse.NOTHING))(
            "PUT", "/v2/app/manifests/1", data, Content_Type=INDEX
        ).status
        == 404
    )


def test_an_index_that_lists_much_takes_few_statements(ask: Served) -> None:
    """Nobody else can write meanwhile."""
    sent: list[str] = []

    def note(_connection: object, _cursor: object, statement: str, *_rest: object) -> None:
        sent.append(statement)

    children = [
        {"mediaType": MANIFEST, "digest": str(Digest.of(b"%d" % number)), "size": 1}
        for number in range(2000)
    ]
    event.listen(Engine, "before_cursor_execute", note)
    try:
        assert (
            ask(
                "PUT",
                "/v2/app/manifests/1",
                encode({"schemaVersion": 2, "mediaType": INDEX, "manifests": children}),
                Content_Type=INDEX,
            ).status
            == 201
        )
    finally:
        event.remove(Engine, "before_cursor_execute", note)
    assert 0 < len(sent) < 200


def test_a_pushed_image_is_verified_soon(ask: Served, store: Store) -> None:
    import gzip

    from store.model.digests import DiffID

    blob = gzip.compress(images.A)
    config = images.config(images.A)
    push(ask, config)
    push(ask, blob)
    layer = {
        "mediaType": "application/vnd.oci.image.layer.v1.tar+gzip",
        "digest": str(Digest.of(blob)),
        "size": len(blob),
    }
    about = {
        "mediaType": "application/vnd.oci.image.config.v1+json",
        "digest": str(Digest.of(config)),
        "size": len(config),
    }
    assert (
        ask(
            "PUT",
            "/v2/app/manifests/1",
            encode({"schemaVersion": 2, "config": about, "layers": [layer]}),
            Content_Type=MANIFEST,
        ).status
        == 201
    )
    diff = DiffID(Digest.of(images.A)).digest
    until(lambda: store.sources((diff,))[diff].encodings)


# --- lists ----------------------------------------------------------------------------------------


def test_pages_of_tags_and_repositories(ask: Served, store: Store) -> None:
    names = ["demo:1", "quay.io/a/b:1", "zoo:1", "team/app:1"]
    for name in names:
        take_in(store, images.image(images.A, tags=(name,)).bytes())
    for tag in ("2", "3"):
        store.tag("demo:1", f"demo:{tag}")
    assert ask("GET", "/v2/demo/tags/list").json["tags"] == ["1", "2", "3"]
    first = ask("GET", "/v2/demo/tags/list?n=2")
    assert first.json["tags"] == ["1", "2"]
    assert first.headers["Link"] == '</v2/demo/tags/list?n=2&last=2>; rel="next"'
    assert ask("GET", "/v2/demo/tags/list?n=2&last=2").json["tags"] == ["3"]
    assert ask("GET", "/v2/demo/tags/list?n=0").json["tags"] == []
    assert ask("GET", "/v2/demo/tags/list?last=1").json["tags"] == ["2", "3"]
    assert ask("GET", "/v2/demo/tags/list?n=x").code == "PAGINATION_NUMBER_INVALID"
    assert ask("GET", "/v2/nothing/tags/list").code == "NAME_UNKNOWN"
    found, path = [], "/v2/_catalog?n=1"
    while path:
        answer = ask("GET", path)
        found += answer.json["repositories"]
        path = answer.headers.get("Link", "").partition(">")[0].removeprefix("<")
    assert found == ["library/demo", "library/zoo", "quay.io/a/b", "team/app"]
    for name in found:
        assert ask("GET", f"/v2/{name}/tags/list").json["name"] == name


@pytest.mark.parametrize("size", [1, 2, 3, 100])
def test_a_catalog_ends_whatever_names_are_in_it(size: int, store: Store, ask: Served) -> None:
    """Names that begin like a registry's are spelled out, and stand elsewhere than in the index they come from."""
    names = {
        "a.b/c",
        "docker.io/a.b/c",
        "docker.io/a.b/d",
        "a.b/e",
        "docker.io/localhost/x",
        "docker.io/zz.top/x",
        "a",
        "z",
        "localhost/x",
    }
    for name in names:
        take_in(store, images.image(images.A, tags=(f"{name}:1",)).bytes())
    found: list[str] = []
    path = f"/v2/_catalog?n={size}"
    while path and len(found) <= len(names):
        answer = ask("GET", path)
        found += answer.json["repositories"]
        path = answer.headers.get("Link", "").partition(">")[0].removeprefix("<")
    assert found == [
        *(
            "a.b/c",
            "docker.io/a.b/c",
            "docker.io/a.b/d",
            "a.b/e",
            "library/a",
            "library/z",
            "localhost/x",
        ),
        *("docker.io/localhost/x", "docker.io/zz.top/x"),
    ]
    assert ask("GET", f"/v2/_catalog?n={size}&last=a.%00").status == 200


def test_referrers(ask: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    from store.formats.distribution import referrers

    later = str(Digest.of(b"later"))
    subject = {"mediaType": MANIFEST, "digest": later, "size": 5}
    for kind in ("a/one", "a/two"):
        put = ask(
            "PUT",
            f"/v2/app/manifests/{kind[2:]}",
            artifact(ask, subject=subject, artifactType=kind),
            Content_Type=MANIFEST,
        )
        assert put.headers["OCI-Subject"] == later
    path = f"/v2/app/referrers/{later}"
    every = ask("GET", path)
    assert (every.headers["Content-Type"], len(every.json["manifests"])) == (INDEX, 2)
    assert "OCI-Filters-Applied" not in every.headers
    some = ask("GET", f"{path}?artifactType=a/one")
    assert [one["artifactType"] for one in some.json["manifests"]] == ["a/one"]
    assert some.headers["OCI-Filters-Applied"] == "artifactType"
    assert ask("GET", "/v2/nothing/referrers/" + later).json["manifests"] == []
    assert ask("GET", "/v2/app/referrers/x").status == 400
    monkeypatch.setattr(referrers, "MAX_INDEX_BYTES", 1)
    assert "Link" not in ask("GET", f"{path}?ns=docker.io&artifactType=a/one").headers
    first = ask("GET", f"{path}?ns=docker.io")
    rest = ask("GET", first.headers["Link"].partition(">")[0].removeprefix("<"))
    assert sorted(
        one["artifactType"] for one in (*first.json["manifests"], *rest.json["manifests"])
    ) == ["a/one", "a/two"]


def test_namespaces(ask: Served, store: Store) -> None:
    take_in(store, images.image(images.A, tags=("quay.io/a/b:1",)).bytes())
    got = ask("GET", "/v2/a/b/manifests/1?ns=quay.io")
    assert (got.status, got.headers["OCI-Namespace"]) == (200, "quay.io")
    assert got.body == ask("GET", "/v2/quay.io/a/b/manifests/1").body
    layer = got.json["layers"][0]["digest"]
    blob = ask("GET", f"/v2/a/b/blobs/{layer}?ns=quay.io")
    assert (blob.body, blob.headers["OCI-Namespace"]) == (images.A, "quay.io")
    assert ask("GET", "/v2/a/b/manifests/1").status == 404
    # Each of these would be read as a part of a path below docker.io.
    for wrong in ("a%0d%0ab", "docker.io/a", "quay.io/a", "a", "a/b"):
        refused = ask("GET", f"/v2/b/manifests/1?ns={wrong}")
        assert (refused.status, refused.code) == (400, "NAME_INVALID")
        assert "OCI-Namespace" not in refused.headers


def test_images_without_a_name(ask: Served, store: Store) -> None:
    take_in(store, images.image(images.A, tags=()).bytes())
    (summary,) = store.images()
    got = ask("GET", f"/v2/_/by-id/manifests/{summary.manifests[0]}")
    assert json.loads(got.body)["config"]["digest"] == str(summary.image_id)
    assert ask("GET", f"/v2/_/by-id/blobs/{got.json['layers'][0]['digest']}").body == images.A
    for method, path in (("PUT", "manifests/1"), ("POST", "blobs/uploads/")):
        assert ask(method, f"/v2/_/by-id/{path}").status == 405


def test_an_index_that_was_pushed_reaches_no_more_than_its_repository_holds(
    ask: Served, store: Store
) -> None:
    """A tag that moves leaves its index without a name.

    Whoever pushed that could name anything in it.
    """
    take_in(store, images.image(images.A, tags=("secret:1",)).bytes())
    (secret,) = store.images()[0].manifests
    size = store.sources((secret,))[secret].size_bytes
    for number in (1, 2):
        index = {
            "schemaVersion": 2,
            "mediaType": INDEX,
            "manifests": [{"mediaType": MANIFEST, "digest": str(secret), "size": size}],
        }
        data = encode({**index, "annotations": {"number": str(number)}})
        assert ask("PUT", "/v2/mine/app/manifests/1", data, Content_Type=INDEX).status == 201
        assert ask("GET", f"/v2/_/by-id/manifests/{secret}").status == 404
    store.untag("secret:1")
    assert ask("GET", f"/v2/_/by-id/manifests/{secret}").status == 200


# --- access ---------------------------------------------------------------------------------------


def test_reading_is_free_and_writing_is_not(serve: Callable[..., Served]) -> None:
    users = {"alice": bcrypt.hashpw(b"secret", bcrypt.gensalt(rounds=4))}
    ask = serve(MirrorSettings(access=Access(users)))
    alice = f"Basic {base64.b64encode(b'alice:secret').decode()}"
    refused = ask("POST", "/v2/app/blobs/uploads/")
    assert (refused.status, refused.code) == (401, "UNAUTHORIZED")
    host = f"127.0.0.1:{ask.port}"
    assert (
        refused.headers["WWW-Authenticate"] == "Bearer"
        f' realm="http://{host}/token",service="{host}",scope="repository:library/app:pull,push"'
    )
    assert ask("POST", "/v2/app/blobs/uploads/", Authorization=alice).status == 202
    assert ask("GET", "/v2/app/tags/list").status == 404
    assert (
        ask("GET", "/v2/", Authorization=f"Basic {base64.b64encode(b'alice:x').decode()}").status
        == 401
    )
    assert ask("GET", "/v2/", Authorization="Bearer expired").status == 401
    # Of wrong passwords an operator wants to know; that tokens expire is nothing.
    assert b'storectl_events_total{event="login_failures"} 1\n' in ask("GET", "/metrics").body
    closed = serve(MirrorSettings(access=Access(users, anonymous_read=False)))
    assert closed("GET", "/v2/").status == 401
    assert closed("GET", "/v2/_catalog", Authorization=alice).status == 200
    assert closed("GET", "/healthz").status == 200


def test_a_read_only_registry(serve: Callable[..., Served], store: Store) -> None:
    take_in(store, images.image(images.A, tags=("demo:1",)).bytes())
    ask = serve(MirrorSettings(access=Access(read_only=True)))
    assert ask("GET", "/v2/demo/manifests/1").status == 200
    for method, path in (
        ("POST", "blobs/uploads/"),
        ("PUT", "manifests/2"),
        ("DELETE", "manifests/1"),
        ("DELETE", f"blobs/{Digest.of(b'')}"),
    ):
        answer = ask(method, f"/v2/demo/{path}")
        assert (answer.status, answer.code) == (405, "UNSUPPORTED")
    assert ask("GET", "/readyz").status == 200


def test_a_cancelled_caller_waits_for_its_thread() -> None:
    """A thread that goes on writing to a descriptor after it was closed could write into somebody else's file."""
    from concurrent.futures import ThreadPoolExecutor

    from mirror.transfer.threads import run

    begun: list[bool] = []
    ended: list[bool] = []

    def slow() -> None:
        begun.append(True)
        time.sleep(0.3)
        ended.append(True)

    async def main(pool: ThreadPoolExecutor) -> None:
        task = asyncio.create_task(run(pool, slow))
        await until_in_loop(lambda: begun)
        task.cancel()
        await asyncio.sleep(0.05)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert ended == [True]

    with ThreadPoolExecutor(1) as pool:
        asyncio.run(main(pool))
