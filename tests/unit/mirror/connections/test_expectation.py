"""A client that waits for `100 Continue` sends its body only if the request can succeed."""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING

import pytest

from store.model.digests import Digest

if TYPE_CHECKING:
    from store import Store
    from tests.support.mirror_in_process import InProcessMirror

BODY = b"a body that is asked for"


def first_line(client: socket.socket) -> bytes:
    data = b""
    while b"\r\n\r\n" not in data:
        piece = client.recv(4096)
        if not piece:
            break
        data += piece
    return data.partition(b"\r\n")[0]


def head(method: str, path: str, size: int, expect: str = "100-continue") -> bytes:
    return (
        f"{method} {path} HTTP/1.1\r\nHost: x\r\nContent-Length: {size}\r\nExpect: {expect}\r\n\r\n"
    ).encode()


def test_a_body_that_fits_is_asked_for(ask: InProcessMirror) -> None:
    place = ask("POST", "/v2/app/blobs/uploads/").headers["Location"]
    with socket.create_connection(("127.0.0.1", ask.port)) as client:
        client.sendall(head("PUT", f"{place}?digest={Digest.of(BODY)}", len(BODY)))
        assert first_line(client) == b"HTTP/1.1 100 Continue"
        client.sendall(BODY)
        assert first_line(client).split()[1] == b"201"


@pytest.mark.parametrize("method", ["PATCH", "PUT"])
def test_a_body_that_cannot_fit_is_not_asked_for(
    ask: InProcessMirror, store: Store, method: str
) -> None:
    place = ask("POST", "/v2/app/blobs/uploads/").headers["Location"]
    path = place if method == "PATCH" else f"{place}?digest={Digest.of(BODY)}"
    with socket.create_connection(("127.0.0.1", ask.port)) as client:
        client.sendall(head(method, path, 2**39))
        assert first_line(client).split()[1] == b"507"
    assert not list((store.root / "uploads").iterdir())
    assert ask("GET", place).status == 404


def test_a_whole_blob_that_cannot_fit_is_not_asked_for(ask: InProcessMirror, store: Store) -> None:
    with socket.create_connection(("127.0.0.1", ask.port)) as client:
        client.sendall(head("POST", f"/v2/app/blobs/uploads/?digest={Digest.of(BODY)}", 2**39))
        assert first_line(client).split()[1] == b"507"
    assert not list((store.root / "uploads").iterdir())


def test_a_manifest_is_asked_for_and_a_refused_one_is_not(ask: InProcessMirror) -> None:
    with socket.create_connection(("127.0.0.1", ask.port)) as client:
        client.sendall(head("PUT", "/v2/app/manifests/1", 2))
        assert first_line(client) == b"HTTP/1.1 100 Continue"
        client.sendall(b"{}")
        assert first_line(client).split()[1] == b"400"
    with socket.create_connection(("127.0.0.1", ask.port)) as client:
        client.sendall(head("PUT", "/v2/app/manifests/1", 2**30))
        assert first_line(client).split()[1] == b"413"


def test_another_expectation_is_refused(ask: InProcessMirror) -> None:
    with socket.create_connection(("127.0.0.1", ask.port)) as client:
        client.sendall(head("PUT", "/v2/app/manifests/1", 2, expect="wonders"))
        assert first_line(client).split()[1] == b"417"
