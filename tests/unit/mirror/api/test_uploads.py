"""Uploads over a socket: uploads in chunks, interrupted request bodies, and mounts."""

from __future__ import annotations

import random
import socket
import threading
from typing import TYPE_CHECKING

import bcrypt
import pytest

from mirror.access import Access
from mirror.origin.proxies import TrustedProxies
from mirror.service import MirrorSettings
from store.model.digests import Digest
from tests.support.damage import (
    DATA,
    DIGEST,
    HARM,
    push_status,
)
from tests.support.logins import basic
from tests.support.pushes import push
from tests.support.waiting import until

if TYPE_CHECKING:
    from collections.abc import Callable

    from store import Store
    from tests.support.mirror_in_process import InProcessMirror

LARGE = random.Random(12).randbytes(1 << 20) * 6


def test_upload_in_chunks(ask: InProcessMirror) -> None:
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


def test_cancelled_upload_is_gone(ask: InProcessMirror) -> None:
    place = ask("POST", "/v2/app/blobs/uploads/").headers["Location"]
    assert ask("DELETE", place).status == 204
    assert ask("DELETE", place).status == 404


def test_blob_with_a_wrong_digest_is_refused(ask: InProcessMirror, store: Store) -> None:
    answer = ask("POST", f"/v2/app/blobs/uploads/?digest={Digest.of(b'x')}", b"y")
    assert (answer.status, answer.code) == (400, "DIGEST_INVALID")
    assert ask("POST", "/v2/app/blobs/uploads/?digest-algorithm=md5").code == "DIGEST_INVALID"
    assert ask("POST", "/v2/app/blobs/uploads/?digest-algorithm=sha512").status == 202
    assert list(store.blobs.digests()) == []


def test_upload_continues_after_the_bytes_that_arrived(ask: InProcessMirror, store: Store) -> None:
    place = ask("POST", "/v2/app/blobs/uploads/").headers["Location"]
    with socket.create_connection(("127.0.0.1", ask.port)) as client:
        client.sendall(
            f"PATCH {place} HTTP/1.1\r\nHost: x\r\nContent-Length: {len(LARGE)}\r\n\r\n".encode()
            + LARGE[: 3 << 20]
        )
        until(lambda: (store.root / "uploads" / place.rpartition("/")[2]).stat().st_size > 1)
    # The received bytes may not be on the disk yet.
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


def test_stopped_body_times_out(serve: Callable[..., InProcessMirror]) -> None:
    ask = serve(MirrorSettings(body_timeout_s=0.2))
    place = ask("POST", "/v2/app/blobs/uploads/").headers["Location"]
    for path in (place, "/v2/app/manifests/1"):
        with socket.create_connection(("127.0.0.1", ask.port)) as client:
            method = "PATCH" if path == place else "PUT"
            client.sendall(
                f"{method} {path} HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n".encode()
                + b"only this"
            )
            assert client.recv(1000).split()[1] == b"408"


def test_ten_clients_can_push_one_blob_at_the_same_time(ask: InProcessMirror, store: Store) -> None:
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


def test_blob_is_mounted_from_readable_repositories(ask: InProcessMirror) -> None:
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


@pytest.mark.parametrize("query", ["", "&from=one"], ids=["anonymous", "from"])
@pytest.mark.parametrize("harm", HARM)
def test_mount_of_a_damaged_blob_becomes_an_upload_that_repairs_it(
    harm: Callable[[Store], None], query: str, ask: InProcessMirror, store: Store
) -> None:
    assert push_status(ask, DATA) == 201
    harm(store)
    begun = ask("POST", f"/v2/two/blobs/uploads/?mount={DIGEST}{query}")
    assert begun.status == 202
    assert ask("PUT", f"{begun.headers['Location']}?digest={DIGEST}", DATA).status == 201
    for name in ("one", "two"):
        assert ask("GET", f"/v2/{name}/blobs/{DIGEST}").body == DATA
    assert ask("POST", f"/v2/three/blobs/uploads/?mount={DIGEST}{query}").status == 201
    assert list(store.fsck()) == []


@pytest.mark.parametrize("harm", HARM)
def test_push_to_another_repository_repairs_the_blob(
    harm: Callable[[Store], None], ask: InProcessMirror, store: Store
) -> None:
    assert push_status(ask, DATA) == 201
    harm(store)
    assert push_status(ask, DATA, "two") == 201
    assert ask("GET", f"/v2/one/blobs/{DIGEST}").body == DATA
    assert list(store.fsck()) == []


USERS = Access(
    {name: bcrypt.hashpw(b"secret", bcrypt.gensalt(rounds=4)) for name in ("alice", "mallory")},
)
ALICE, MALLORY = basic("alice", "secret"), basic("mallory", "secret")


def test_a_user_leaves_uploads_for_others(
    serve: Callable[..., InProcessMirror], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("store.registry.uploads.OWNER_UPLOADS", 3)
    ask = serve(MirrorSettings(access=USERS, max_uploads=5))
    for _ in range(3):
        begun = ask("POST", "/v2/app/blobs/uploads/", Authorization=MALLORY)
        assert begun.status == 202
    for name in ("app", "other"):
        refused = ask("POST", f"/v2/{name}/blobs/uploads/", Authorization=MALLORY)
        assert (refused.status, refused.code) == (429, "TOOMANYREQUESTS")
        assert int(refused.headers["Retry-After"]) > 0
    assert ask("POST", "/v2/app/blobs/uploads/", Authorization=ALICE).status == 202
    assert ask("DELETE", begun.headers["Location"], Authorization=MALLORY).status == 204
    assert ask("POST", "/v2/app/blobs/uploads/", Authorization=MALLORY).status == 202


def test_clients_without_a_user_are_counted_by_network(
    serve: Callable[..., InProcessMirror], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("store.registry.uploads.OWNER_UPLOADS", 1)
    proxies = TrustedProxies.parse(["127.0.0.1"])
    ask = serve(MirrorSettings(proxies=proxies, max_uploads=100))
    for address, status in (
        ("198.51.100.1", 202),
        ("198.51.100.1", 429),
        ("198.51.100.2", 202),
        ("2001:db8::1", 202),
        ("2001:db8::ffff:1", 429),
        ("2001:db8:0:1::1", 202),
    ):
        forwarded = f"203.0.113.9, {address}"
        answer = ask("POST", "/v2/app/blobs/uploads/", X_Forwarded_For=forwarded)
        assert answer.status == status, address


def test_an_upload_of_another_user_is_unknown(serve: Callable[..., InProcessMirror]) -> None:
    ask = serve(MirrorSettings(access=USERS))
    place = ask("POST", "/v2/app/blobs/uploads/", Authorization=ALICE).headers["Location"]
    unknown = place[:-32] + "0" * 32
    query = f"?digest={Digest.of(b'data')}"
    for method, parameters, body in (
        ("GET", "", None),
        ("PATCH", "", b"evil"),
        ("PUT", query, b"data"),
        ("PUT", query, b""),
        ("DELETE", "", None),
    ):
        answers = [
            ask(method, path + parameters, body, Authorization=MALLORY) for path in (place, unknown)
        ]
        assert [one.status for one in answers] == [404, 404]
        texts = [
            one.body.replace(path.rpartition("/")[2].encode(), b"ID")
            for one, path in zip(answers, (place, unknown), strict=True)
        ]
        assert texts[0] == texts[1]
    assert ask("PUT", place + query, b"data", Authorization=ALICE).status == 201
