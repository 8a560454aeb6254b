"""Manifests that clients push, fetch and delete over a socket."""

from __future__ import annotations

import json
import select
import socket
from contextlib import ExitStack
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import Engine, event

from mirror.service import MirrorSettings
from store.model.digests import Digest
from store.registry.registry import Sparse
from tests.support import images
from tests.support.damage import (
    CONFIG_DATA,
    DATA,
    DIGEST,
    HARM,
    IMAGE,
    mark_damaged,
    push_status,
)
from tests.support.layouts import INDEX, MANIFEST, encode
from tests.support.pushes import artifact, import_archive

if TYPE_CHECKING:
    from collections.abc import Callable

    from store import Store
    from tests.support.mirror_in_process import InProcessMirror


def test_manifest_is_served_and_deleted_by_tag_and_digest(ask: InProcessMirror) -> None:
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


def test_invalid_manifest_is_refused(ask: InProcessMirror) -> None:
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


def test_body_without_a_length_has_a_limit(ask: InProcessMirror) -> None:
    with socket.create_connection(("127.0.0.1", ask.port)) as client:
        client.sendall(
            b"PUT /v2/app/manifests/1 HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
        )
        client.sendall(b"500000\r\n" + bytes(0x500000) + b"\r\n0\r\n\r\n")
        assert client.recv(100).split()[1] == b"413"


def test_manifests_that_never_end_are_cut_off_when_they_need_too_much_memory(
    ask: InProcessMirror,
) -> None:
    data = artifact(ask)
    with ExitStack() as stack:
        clients = [
            stack.enter_context(socket.create_connection(("127.0.0.1", ask.port), 10))
            for _ in range(18)
        ]
        for client in clients:
            client.sendall(
                b"PUT /v2/app/manifests/1 HTTP/1.1\r\nHost: x\r\nContent-Length: 4194304\r\n\r\n"
            )
            client.sendall(bytes(4194303))
        # The server cuts off at least one client. The other clients do not end their manifests.
        assert select.select(clients, (), (), 10)[0]
        assert ask("PUT", "/v2/app/manifests/2", data, Content_Type=MANIFEST).status == 201


def test_sparse_index_is_accepted_unless_forbidden(serve: Callable[..., InProcessMirror]) -> None:
    child = {"mediaType": MANIFEST, "digest": str(Digest.of(b"-")), "size": 1}
    data = encode({"schemaVersion": 2, "mediaType": INDEX, "manifests": [child]})
    assert serve()("PUT", "/v2/app/manifests/1", data, Content_Type=INDEX).status == 201
    assert (
        serve(MirrorSettings(sparse=Sparse.NOTHING))(
            "PUT", "/v2/app/manifests/1", data, Content_Type=INDEX
        ).status
        == 404
    )


def test_large_index_needs_few_statements(ask: InProcessMirror) -> None:
    """Each statement of a push prolongs the time in which no other process can write."""
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


def test_image_without_a_name_is_served_by_digest_and_cannot_be_pushed(
    ask: InProcessMirror, store: Store
) -> None:
    import_archive(store, images.image(images.A, tags=()).bytes())
    (summary,) = store.images()
    got = ask("GET", f"/v2/_/by-id/manifests/{summary.manifests[0]}")
    assert json.loads(got.body)["config"]["digest"] == str(summary.image_id)
    assert ask("GET", f"/v2/_/by-id/blobs/{got.json['layers'][0]['digest']}").body == images.A
    for method, path in (("PUT", "manifests/1"), ("POST", "blobs/uploads/")):
        assert ask(method, f"/v2/_/by-id/{path}").status == 405


def test_pushed_index_does_not_open_content_of_other_repositories(
    ask: InProcessMirror, store: Store
) -> None:
    """A client can push an index that lists any digest, then move the tag to another index."""
    import_archive(store, images.image(images.A, tags=("secret:1",)).bytes())
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
    # Without its tag, the image is still in its repository, and only there.
    store.untag("secret:1")
    assert ask("GET", f"/v2/_/by-id/manifests/{secret}").status == 404
    assert ask("GET", f"/v2/secret/manifests/{secret}").status == 200


@pytest.mark.parametrize("harm", HARM)
def test_manifest_is_refused_while_its_blob_is_damaged(
    harm: Callable[[Store], None], ask: InProcessMirror, store: Store
) -> None:
    assert (push_status(ask, DATA), push_status(ask, CONFIG_DATA)) == (201, 201)
    harm(store)
    refused = ask("PUT", "/v2/one/manifests/1", IMAGE, Content_Type=MANIFEST)
    assert (refused.status, refused.code) == (404, "MANIFEST_BLOB_UNKNOWN")
    assert refused.json["errors"][0]["detail"] == [{"digest": str(DIGEST)}]
    assert push_status(ask, DATA) == 201
    assert ask("PUT", "/v2/one/manifests/1", IMAGE, Content_Type=MANIFEST).status == 201


@pytest.mark.parametrize("target", ["1", str(Digest.of(IMAGE))], ids=["tag", "digest"])
def test_damaged_manifest_is_unknown_until_it_is_pushed_again(
    target: str, ask: InProcessMirror, store: Store
) -> None:
    assert (push_status(ask, DATA), push_status(ask, CONFIG_DATA)) == (201, 201)
    assert ask("PUT", "/v2/one/manifests/1", IMAGE, Content_Type=MANIFEST).status == 201
    mark_damaged(store, Digest.of(IMAGE))
    assert ask("HEAD", f"/v2/one/manifests/{target}").status == 404
    answer = ask("GET", f"/v2/one/manifests/{target}")
    assert (answer.status, answer.code) == (404, "MANIFEST_UNKNOWN")
    assert "damaged" in answer.json["errors"][0]["message"]
    assert ask("PUT", "/v2/one/manifests/1", IMAGE, Content_Type=MANIFEST).status == 201
    assert ask("GET", f"/v2/one/manifests/{target}").body == IMAGE
