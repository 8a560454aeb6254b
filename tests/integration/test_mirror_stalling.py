"""Clients that ask and never read, whatever they ask for: nothing of them stays, and nobody who reads is taken for one of them."""

from __future__ import annotations

import contextlib
import random
import re
import signal
import socket
import ssl
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from store.registry import MANIFEST_BYTES
from store.values import Digest
from tests.integration.test_mirror_renewal import certificate
from tests.support.layouts import MANIFEST, encode
from tests.support.mirror import Mirror
from tests.support.wire import Wire, request

if TYPE_CHECKING:
    from collections.abc import Iterator

STALL_S = 1.0
SHORT = f"import mirror.taking; mirror.taking.STALL_S = {STALL_S}"
LARGE = random.Random(7).randbytes(1 << 20) * 24
"""More than the buffers of two sockets hold."""

EMPTY = Digest.of(b"{}")
DOCUMENT = {"schemaVersion": 2, "mediaType": MANIFEST, "config": {"mediaType": "a/b", "digest": str(EMPTY), "size": 2}, "layers": []}
LARGEST = encode({**DOCUMENT, "annotations": {"text": "x" * (MANIFEST_BYTES - 1000)}})


def fill(mirror: Mirror) -> None:
    for data in (LARGE, b"{}"):
        assert mirror.request("POST", f"/v2/app/blobs/uploads/?digest={Digest.of(data)}", data)[0] == 201
    assert mirror.request("PUT", "/v2/app/manifests/1", LARGEST, {"Content-Type": MANIFEST})[0] == 201


@pytest.fixture(scope="module", params=["HTTP", "TLS"])
def mirror(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Mirror, ssl.SSLContext | None]]:
    folder = tmp_path_factory.mktemp("stalling")
    options, context = [], None
    if request.param == "TLS":
        chain, key = certificate(folder, "server")
        options = ["--tls-cert", str(chain), "--tls-key", str(key)]
        context = ssl.create_default_context(cafile=str(chain))
    with Mirror(folder / "store") as first:
        fill(first)
    with Mirror(folder / "store", *options, first=SHORT) as running:
        yield running, context
        assert running.stop() == 0
        log = running.log.read_text()
        assert "Traceback" not in log, log
        assert "ERROR" not in log, log


@contextlib.contextmanager
def unread(port: int, context: ssl.SSLContext | None, asked: bytes) -> Iterator[socket.socket]:
    """A client that has asked, and has room for next to nothing. What the server does not take at once it goes on to send beside what is done here."""
    with socket.socket() as plain:
        plain.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
        plain.settimeout(30)
        plain.connect(("127.0.0.1", port))
        client = plain if context is None else context.wrap_socket(plain, server_hostname="127.0.0.1")
        with client:
            rest = memoryview(asked)[client.send(asked[:16384]) :]
            sender = threading.Thread(target=ask_on, args=(client, rest))
            if rest:
                sender.start()
            try:
                yield client
            finally:
                if rest:
                    with contextlib.suppress(OSError):
                        client.shutdown(socket.SHUT_RDWR)
                    sender.join()


def ask_on(client: socket.socket, rest: memoryview) -> None:
    """Send ``rest`` until the server or the test ends the connection."""
    with contextlib.suppress(OSError):
        client.sendall(rest)


def settle(mirror: Mirror) -> None:
    """Return when nothing of what was asked can be answered any more until somebody reads.

    The server takes turns: where an answer could still be given, one is given between two of its replies here.
    """
    deadline, before = time.monotonic() + 60, 0
    while (answered := small_answers(mirror)) != before or not answered:
        assert time.monotonic() < deadline
        before = answered
        time.sleep(0.5)


def small_answers(mirror: Mirror) -> int:
    """How many the server has given."""
    text = mirror.request("GET", "/metrics")[2].decode()
    counted = re.search(r'^storectl_http_requests_total{resource="base",method="GET",status="200"} (\d+)$', text, re.MULTILINE)
    return 0 if counted is None else int(counted[1])


def sockets(mirror: Mirror) -> set[str]:
    names = set()
    for link in Path(f"/proc/{mirror.process.pid}/fd").iterdir():
        with contextlib.suppress(FileNotFoundError):
            names.add(str(link.readlink()))
    return {name for name in names if name.startswith("socket:")}


ASKED = {
    "a manifest": request("GET", "/v2/app/manifests/1"),
    "manifests": request("GET", "/v2/app/manifests/1") * 50,
    "small answers": request("GET", "/v2/") * 20_000,
    "a blob": request("GET", f"/v2/app/blobs/{Digest.of(LARGE)}"),
}
"""Of small answers it takes thousands until the buffers of both sockets are full."""


@pytest.mark.parametrize("what", ASKED)
def test_who_never_reads_is_cut_off(what: str, mirror: tuple[Mirror, ssl.SSLContext | None]) -> None:
    running, context = mirror
    before, said_before = sockets(running), cut_off(running)
    with unread(running.port, context, ASKED[what]):
        deadline = time.monotonic() + 60
        while cut_off(running) == said_before or not sockets(running) <= before:
            assert time.monotonic() < deadline
            time.sleep(0.05)


def cut_off(mirror: Mirror) -> int:
    """Of how many answers its log says so."""
    return mirror.log.read_text().count(" was cut off: the client has taken nothing for ")


def test_who_reads_slowly_gets_every_byte(mirror: tuple[Mirror, ssl.SSLContext | None]) -> None:
    running, context = mirror
    with unread(running.port, context, request("GET", "/v2/app/manifests/1", fields=[("Connection", "close")])) as client:
        got, began = bytearray(), time.monotonic()
        while piece := client.recv(16384):
            got += piece
            if time.monotonic() - began < STALL_S * 4:
                time.sleep(STALL_S / 10)
    assert got.partition(b"\r\n\r\n")[2] == LARGEST


def test_who_has_read_everything_may_stay(mirror: tuple[Mirror, ssl.SSLContext | None]) -> None:
    running, context = mirror
    with Wire(running.port, context=context) as wire:
        assert wire.ask("GET", "/v2/").status == 200
        time.sleep(STALL_S * 2)
        assert wire.ask("GET", "/v2/app/manifests/1").body == LARGEST


def test_what_stalls_while_the_server_ends_has_one_grace_in_all(tmp_path: Path) -> None:
    """A push that stands still, a blob, a manifest and small answers that nobody reads: together, not one after another."""
    with Mirror(tmp_path / "store", "--grace", "2", "-q") as mirror, contextlib.ExitStack() as stack:
        fill(mirror)
        for asked in ASKED.values():
            stack.enter_context(unread(mirror.port, None, asked))
        wire = stack.enter_context(Wire(mirror.port))
        wire.send(request("POST", f"/v2/app/blobs/uploads/?digest={EMPTY}", bytes(100_000))[:50_000])
        idle = stack.enter_context(Wire(mirror.port))
        assert idle.ask("GET", "/v2/").status == 200
        settle(mirror)
        began = time.monotonic()
        assert mirror.stop(signal.SIGTERM) == 0
        took_s = time.monotonic() - began
        assert 1.9 < took_s < 3.5
        log = mirror.log.read_text()
        assert re.search(r"cut off requests=1 answers=4\b", log), log
        assert "Traceback" not in log, log
