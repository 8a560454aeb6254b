"""Routes and error answers of the application, requested over a socket."""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING

import pytest
import uvloop

from mirror.access import Access
from mirror.origin.proxies import TrustedProxies
from mirror.service import MirrorSettings
from store.model.digests import Digest
from tests.support import images
from tests.support.mirror_in_process import InProcessMirror
from tests.support.pushes import import_archive
from tests.support.waiting import until

if TYPE_CHECKING:
    from collections.abc import Callable

    from store import Store


def test_base_answers_and_unknown_paths_and_methods_are_refused(ask: InProcessMirror) -> None:
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


@pytest.mark.parametrize("name", ["App", "a//b", "_/by-id/x", "..", "a'--"])
def test_invalid_name_is_refused(name: str, ask: InProcessMirror) -> None:
    answer = ask("GET", f"/v2/{name}/tags/list")
    assert (answer.status, answer.code) == (400, "NAME_INVALID")


def test_internal_error_is_logged_and_not_shown(
    ask: InProcessMirror, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    from store.registry.registry import Registry

    def fail(*_args: object, **_named: object) -> None:
        raise RuntimeError("the secret path")

    monkeypatch.setattr(Registry, "tags", fail)
    answer = ask("GET", "/v2/app/tags/list")
    assert (answer.status, answer.code) == (500, "UNKNOWN")
    assert b"secret" not in answer.body
    assert "the secret path" in caplog.text


def test_slow_headers_time_out(store: Store) -> None:
    with (
        InProcessMirror(store, MirrorSettings(), uvloop.new_event_loop, keepalive_s=0.3) as ask,
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


def test_ns_selects_the_registry(ask: InProcessMirror, store: Store) -> None:
    import_archive(store, images.image(images.A, tags=("quay.io/a/b:1",)).bytes())
    got = ask("GET", "/v2/a/b/manifests/1?ns=quay.io")
    assert (got.status, got.headers["OCI-Namespace"]) == (200, "quay.io")
    assert got.body == ask("GET", "/v2/quay.io/a/b/manifests/1").body
    layer = got.json["layers"][0]["digest"]
    blob = ask("GET", f"/v2/a/b/blobs/{layer}?ns=quay.io")
    assert (blob.body, blob.headers["OCI-Namespace"]) == (images.A, "quay.io")
    assert ask("GET", "/v2/a/b/manifests/1").status == 404
    # Without this check, each of these names would become part of a path below docker.io.
    for wrong in ("a%0d%0ab", "docker.io/a", "quay.io/a", "a", "a/b"):
        refused = ask("GET", f"/v2/b/manifests/1?ns={wrong}")
        assert (refused.status, refused.code) == (400, "NAME_INVALID")
        assert "OCI-Namespace" not in refused.headers


def test_read_only_registry_refuses_changes(
    serve: Callable[..., InProcessMirror], store: Store
) -> None:
    import_archive(store, images.image(images.A, tags=("demo:1",)).bytes())
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


def test_a_client_behind_a_proxy_has_a_limit_of_running_requests(
    serve: Callable[..., InProcessMirror],
) -> None:
    proxies = TrustedProxies.parse(["127.0.0.1"])
    ask = serve(MirrorSettings(proxies=proxies, max_client_requests=1))
    place = ask("POST", "/v2/app/blobs/uploads/").headers["Location"]
    with socket.create_connection(("127.0.0.1", ask.port)) as client:
        client.sendall(
            f"PATCH {place} HTTP/1.1\r\nHost: x\r\nX-Forwarded-For: 10.0.0.1\r\n"
            "Content-Length: 100\r\n\r\nonly this".encode()
        )
        until(lambda: ask("GET", "/v2/", X_Forwarded_For="10.0.0.1").status == 429)
        refused = ask("GET", "/v2/", X_Forwarded_For="10.0.0.1")
        assert refused.code == "TOOMANYREQUESTS"
        assert int(refused.headers["Retry-After"]) > 0
        assert ask("GET", "/v2/", X_Forwarded_For="10.0.0.2").status == 200
    until(lambda: ask("GET", "/v2/", X_Forwarded_For="10.0.0.1").status == 200)
