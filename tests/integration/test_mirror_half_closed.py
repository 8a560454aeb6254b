"""Clients that close one direction of a TLS connection still get their answers.

To close a direction, a client sends close_notify (RFC 8446 section 6.1). nginx and Go's server
answer such clients too.
"""

from __future__ import annotations

import contextlib
import random
import socket
import ssl
import time
from typing import TYPE_CHECKING, Self

import pytest

from store.model.digests import Digest
from tests.integration.test_mirror_connections import HELD_UP
from tests.integration.test_mirror_renewal import certificate
from tests.support.mirror_process import Mirror
from tests.support.processes import open_files
from tests.support.raw_http import request
from tests.support.waiting import PATIENCE_S, until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

LARGE = random.Random(5).randbytes(1 << 20) * 24
DIGEST = Digest.of(LARGE)


class Half:
    """A TLS connection that can be closed in one direction.

    `ssl.SSLSocket` can only close both directions.
    """

    def __init__(self, port: int, version: ssl.TLSVersion) -> None:
        context = ssl.create_default_context()
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        context.minimum_version = context.maximum_version = version
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=PATIENCE_S)
        self._in, self._out = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._tls = context.wrap_bio(self._in, self._out)
        while True:
            try:
                self._tls.do_handshake()
                break
            except ssl.SSLWantReadError:
                self.flush()
                self._in.write(self.socket.recv(1 << 16))

    def flush(self) -> None:
        self.socket.sendall(self._out.read())

    def send(self, data: bytes) -> None:
        self._tls.write(data)

    def close_sending(self) -> None:
        with contextlib.suppress(ssl.SSLWantReadError):
            self._tls.unwrap()
        self.flush()

    def rest(self) -> bytes:
        """Return the server's bytes up to its close_notify, which has to end the connection."""
        found = bytearray()
        try:
            while data := self.socket.recv(1 << 16):
                self._in.write(data)
                with contextlib.suppress(ssl.SSLWantReadError):
                    while piece := self._tls.read(1 << 16):
                        found += piece
        except ssl.SSLZeroReturnError:
            return bytes(found)
        raise AssertionError("the server has cut the connection")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exc: object) -> None:
        self.socket.close()


@pytest.fixture(scope="module")
def mirror(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mirror]:
    folder = tmp_path_factory.mktemp("half")
    chain, key = certificate(folder, "server")
    with Mirror(folder / "store", "--tls-cert", str(chain), "--tls-key", str(key), "-q") as running:
        with Half(running.port, ssl.TLSVersion.TLSv1_3) as connection:
            connection.send(request("POST", f"/v2/app/blobs/uploads/?digest={DIGEST}", LARGE))
            connection.close_sending()
            assert connection.rest().startswith(b"HTTP/1.1 201 ")
        yield running
        assert running.stop() == 0
        log = running.log.read_text()
        assert "Traceback" not in log, log
        assert "ERROR" not in log, log


@pytest.fixture(params=[ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3], ids=["TLS 1.2", "TLS 1.3"])
def half(request: pytest.FixtureRequest, mirror: Mirror) -> Iterator[Half]:
    with Half(mirror.port, request.param) as connection:
        yield connection


@pytest.mark.parametrize("path", ["/v2/", f"/v2/app/blobs/{DIGEST}", "/v2/_catalog"])
@pytest.mark.parametrize("pause_s", [0.0, 0.02], ids=["together", "afterwards"])
def test_a_half_closed_tls_client_is_answered(path: str, pause_s: float, half: Half) -> None:
    half.send(request("GET", path))
    if pause_s:
        half.flush()
        time.sleep(pause_s)
    half.close_sending()
    head, _, body = half.rest().partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 200 ")
    if str(DIGEST) in path:
        assert body == LARGE


def test_a_half_closed_client_is_answered_by_a_busy_server(tmp_path: Path) -> None:
    chain, key = certificate(tmp_path, "server")
    with (
        Mirror(
            tmp_path / "store", "--tls-cert", str(chain), "--tls-key", str(key), "-q", first=HELD_UP
        ) as mirror,
        Half(mirror.port, ssl.TLSVersion.TLSv1_3) as half,
    ):
        half.send(request("GET", "/v2/"))
        half.close_sending()
        assert half.rest().startswith(b"HTTP/1.1 200 ")


def test_half_a_request_is_not_waited_for(half: Half) -> None:
    half.send(request("GET", "/v2/")[:-4])
    half.close_sending()
    # A server that waited for the other half would close the connection as idle
    # (`mirror.server.KEEPALIVE_S`).
    assert b"200" not in half.rest()[:20]


def test_half_a_push_stores_nothing(half: Half, mirror: Mirror) -> None:
    data = b"half of this is not sent"
    half.send(request("POST", f"/v2/app/blobs/uploads/?digest={Digest.of(data)}", data)[:-10])
    half.close_sending()
    assert not half.rest().startswith(b"HTTP/1.1 201")
    with Half(mirror.port, ssl.TLSVersion.TLSv1_3) as again:
        again.send(request("HEAD", f"/v2/app/blobs/{Digest.of(data)}"))
        again.close_sending()
        assert again.rest().startswith(b"HTTP/1.1 404")


def test_half_closed_clients_leave_nothing(mirror: Mirror) -> None:
    before = len(open_files(mirror.process.pid))
    for number in range(30):
        with Half(mirror.port, ssl.TLSVersion.TLSv1_3) as connection:
            if number % 2:
                connection.send(request("GET", f"/v2/app/blobs/{DIGEST}"))
            connection.close_sending()
            if number % 3:
                connection.rest()
    until(lambda: len(open_files(mirror.process.pid)) <= before + 2)
