"""Clients that send requests and never read answers are cut off; slow readers are not cut off."""

from __future__ import annotations

import contextlib
import json
import random
import re
import signal
import socket
import ssl
import threading
import time
from datetime import datetime
from typing import TYPE_CHECKING

import pytest

from store.model.digests import Digest
from store.registry.registry import MAX_MANIFEST_BYTES
from tests.integration.test_mirror_renewal import certificate
from tests.support.layouts import MANIFEST, encode
from tests.support.mirror_process import Mirror
from tests.support.processes import open_files
from tests.support.raw_http import RawConnection, request
from tests.support.waiting import until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

STALL_S = 1.0
LONG_STALL_S = 5.0
"""Stall timeout in seconds for clients that make progress: longer than any delay of a busy machine.
"""

GRACE_S = 5
LARGE = random.Random(7).randbytes(1 << 20) * 24
"""A blob larger than the buffers of two sockets."""

EMPTY = Digest.of(b"{}")
DOCUMENT = {
    "schemaVersion": 2,
    "mediaType": MANIFEST,
    "config": {"mediaType": "a/b", "digest": str(EMPTY), "size": 2},
    "layers": [],
}
LARGEST = encode({**DOCUMENT, "annotations": {"text": "x" * (MAX_MANIFEST_BYTES - 1000)}})


def fill(mirror: Mirror) -> None:
    for data in (LARGE, b"{}"):
        assert (
            mirror.request("POST", f"/v2/app/blobs/uploads/?digest={Digest.of(data)}", data)[0]
            == 201
        )
    assert (
        mirror.request("PUT", "/v2/app/manifests/1", LARGEST, {"Content-Type": MANIFEST})[0] == 201
    )


@contextlib.contextmanager
def cutting_off(
    scheme: str, folder: Path, stall_s: float
) -> Iterator[tuple[Mirror, ssl.SSLContext | None]]:
    """Start a server that cuts off a client after ``stall_s`` without progress.

    Yield the server and the TLS context for its clients, None for plain HTTP.
    """
    options, context = [], None
    if scheme == "TLS":
        chain, key = certificate(folder, "server")
        options = ["--tls-cert", str(chain), "--tls-key", str(key)]
        context = ssl.create_default_context(cafile=str(chain))
    with Mirror(folder / "store") as first:
        fill(first)
    with Mirror(
        folder / "store",
        *options,
        first=f"import mirror.transfer.client_progress as p; p.STALL_S = {stall_s}",
    ) as running:
        yield running, context
        assert running.stop() == 0
        log = running.log.read_text()
        assert "Traceback" not in log, log
        assert "ERROR" not in log, log


@pytest.fixture(scope="module", params=["HTTP", "TLS"])
def mirror(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Mirror, ssl.SSLContext | None]]:
    with cutting_off(request.param, tmp_path_factory.mktemp("stalling"), STALL_S) as running:
        yield running


@contextlib.contextmanager
def unread(port: int, context: ssl.SSLContext | None, asked: bytes) -> Iterator[socket.socket]:
    """Open a connection with almost no receive buffer, and send requests on it.

    A thread sends the bytes that do not fit into the socket's buffer while the test runs.
    """
    with socket.socket() as plain:
        plain.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
        plain.settimeout(30)
        plain.connect(("127.0.0.1", port))
        client = (
            plain if context is None else context.wrap_socket(plain, server_hostname="127.0.0.1")
        )
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
    """Send ``rest``; stop if the server or the test ends the connection."""
    with contextlib.suppress(OSError):
        client.sendall(rest)


def settle(mirror: Mirror) -> None:
    """Wait until the server can give no further answer before a client reads.

    The server serves connections alternately. As long as it can answer a connection, it does so
    between two requests of this function.
    """
    deadline, before = time.monotonic() + 60, 0
    while (answered := small_answers(mirror)) != before or not answered:
        assert time.monotonic() < deadline
        before = answered
        time.sleep(0.5)


def small_answers(mirror: Mirror) -> int:
    """Return the number of small answers that the server has given."""
    text = mirror.request("GET", "/metrics")[2].decode()
    counted = re.search(
        r'^storectl_http_requests_total{resource="base",method="GET",status="200"} (\d+)$',
        text,
        re.MULTILINE,
    )
    return 0 if counted is None else int(counted[1])


def sockets(mirror: Mirror) -> set[str]:
    return {target for target in open_files(mirror.process.pid) if target.startswith("socket:")}


ASKED = {
    "a manifest": request("GET", "/v2/app/manifests/1"),
    "manifests": request("GET", "/v2/app/manifests/1") * 50,
    "small answers": request("GET", "/v2/") * 20_000,
    "a blob": request("GET", f"/v2/app/blobs/{Digest.of(LARGE)}"),
}
"""Requests by name; it takes thousands of small answers to fill the buffers of both sockets."""


@pytest.mark.parametrize("what", ASKED)
def test_a_client_that_never_reads_is_cut_off(
    what: str, mirror: tuple[Mirror, ssl.SSLContext | None]
) -> None:
    running, context = mirror
    before, said_before = sockets(running), cut_off(running)
    with unread(running.port, context, ASKED[what]):
        until(lambda: cut_off(running) > said_before and sockets(running) <= before)


def cut_off(mirror: Mirror) -> int:
    """Return the number of answers that the log reports as cut off."""
    return mirror.log.read_text().count(" was cut off: the client ")


@pytest.mark.parametrize("scheme", ["HTTP", "TLS"])
def test_a_slow_reader_gets_every_byte(scheme: str, tmp_path: Path) -> None:
    asked = request("GET", "/v2/app/manifests/1", fields=[("Connection", "close")])
    with (
        cutting_off(scheme, tmp_path, LONG_STALL_S) as (running, context),
        unread(running.port, context, asked) as client,
    ):
        got, began = bytearray(), time.monotonic()
        while piece := client.recv(16384):
            got += piece
            if time.monotonic() - began < LONG_STALL_S * 2:
                time.sleep(LONG_STALL_S / 50)
    assert got.partition(b"\r\n\r\n")[2] == LARGEST


def test_an_idle_client_may_stay(mirror: tuple[Mirror, ssl.SSLContext | None]) -> None:
    running, context = mirror
    with RawConnection(running.port, context=context) as wire:
        assert wire.ask("GET", "/v2/").status == 200
        time.sleep(STALL_S * 2)
        assert wire.ask("GET", "/v2/").status == 200


def test_stalled_requests_share_one_grace_period(tmp_path: Path) -> None:
    """A stalled push and answers that no client reads share one grace period."""
    with (
        Mirror(tmp_path / "store", "--grace", str(GRACE_S), "-q") as mirror,
        contextlib.ExitStack() as stack,
    ):
        fill(mirror)
        for asked in ASKED.values():
            stack.enter_context(unread(mirror.port, None, asked))
        wire = stack.enter_context(RawConnection(mirror.port))
        wire.send(
            request("POST", f"/v2/app/blobs/uploads/?digest={EMPTY}", bytes(100_000))[:50_000]
        )
        idle = stack.enter_context(RawConnection(mirror.port))
        assert idle.ask("GET", "/v2/").status == 200
        settle(mirror)
        assert mirror.stop(signal.SIGTERM) == 0
        log = mirror.log.read_text()
        assert re.search(r"cut off requests=1 answers=4\b", log), log
        assert "Traceback" not in log, log
        # Compare times in the log, because on a busy machine the end of the process also takes
        # time.
        took_s = (
            said_at(log, "stopping: cut off") - said_at(log, "stopping: waiting for")
        ).total_seconds()
        assert GRACE_S - 0.1 < took_s < 2 * GRACE_S


def said_at(log: str, message: str) -> datetime:
    """Return the time of the only log line whose message begins with ``message``."""
    (line,) = (
        line for line in map(json.loads, log.splitlines()) if line["message"].startswith(message)
    )
    return datetime.fromisoformat(line["time"])
