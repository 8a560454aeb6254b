"""Slow, stuck, vanished or many clients do not disturb other clients and leave nothing behind."""

from __future__ import annotations

import contextlib
import os
import random
import resource
import signal
import socket
import struct
import threading
import time
from collections import Counter
from typing import TYPE_CHECKING

import pytest

from store import Store
from store.model.digests import Digest
from tests.support.mirror_process import Mirror
from tests.support.processes import children, is_running, open_files
from tests.support.raw_http import Closed, RawConnection, chunked, request
from tests.support.waiting import until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

IDLE = 1000
LARGE = random.Random(1).randbytes(1 << 20) * 24
"""A blob larger than the buffers of two sockets."""

DIGEST = Digest.of(LARGE)
SMALL = b"a small blob"

PATIENT = (
    "import mirror.server, mirror.transfer.client_progress as progress;"
    " mirror.server.KEEPALIVE_S = progress.STALL_S ="
    " 3600.0"
)
"""Time-outs that never end a test on a busy machine. The tests here do not measure time-outs."""

HELD_UP = """
import time
from mirror.connections.connection import Connection

def end_soon(connection, before=Connection._end_soon):
    before(connection)
    time.sleep(0.2)

Connection._end_soon = end_soon
"""


@pytest.fixture(scope="module")
def mirror(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mirror]:
    """Yield one server for all tests of the module, in the state that earlier tests left."""
    root = tmp_path_factory.mktemp("connections") / "store"
    with Mirror(root, "-q", first=PATIENT) as running:
        for data in (LARGE, SMALL):
            assert (
                running.request("POST", f"/v2/app/blobs/uploads/?digest={Digest.of(data)}", data)[0]
                == 201
            )
        yield running
        assert running.stop() == 0
        log = running.log.read_text()
        assert "Traceback" not in log, log
        assert "ERROR" not in log, log
    with Store.open(root) as store:
        assert list(store.fsck()) == []


def opened(mirror: Mirror) -> Counter[str]:
    """Count the server's open descriptors by kind, without those of its database.

    The tests do not check how many database connections the server keeps.
    """
    found: Counter[str] = Counter()
    for target in open_files(mirror.process.pid):
        if "store.db" not in target:
            found[target.partition(":")[0]] += 1
    return found


def settles(mirror: Mirror, before: Counter[str]) -> None:
    """Wait until the server has closed everything that it opened since ``before`` was counted."""
    until(lambda: not opened(mirror) - before)


def serves(mirror: Mirror) -> bool:
    with RawConnection(mirror.port) as wire:
        return wire.ask("GET", f"/v2/app/blobs/{Digest.of(SMALL)}").body == SMALL


def reset(wire: RawConnection) -> None:
    """Close the connection with a reset, as a killed program does, even if bytes are unread."""
    wire.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    wire.close()


def test_a_thousand_idle_connections_do_not_keep_others_out(mirror: Mirror) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft < 2 * IDLE:
        resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, 4 * IDLE), hard))
    before = opened(mirror)
    with contextlib.ExitStack() as stack:
        idle = [stack.enter_context(RawConnection(mirror.port)) for _ in range(IDLE)]
        for wire in idle[::2]:
            # Half of the connections have been used once.
            assert wire.ask("GET", "/v2/").status == 200
        assert serves(mirror)
        for wire in idle[::100]:
            assert wire.ask("GET", f"/v2/app/blobs/{Digest.of(SMALL)}").body == SMALL
    settles(mirror, before)


def test_pipelined_requests_are_answered_in_order(mirror: Mirror) -> None:
    paths = [
        f"/v2/app/blobs/{DIGEST}",
        "/v2/",
        f"/v2/app/blobs/{Digest.of(SMALL)}",
        "/v2/app/tags/list",
        f"/v2/app/blobs/{DIGEST}",
    ] * 3
    with RawConnection(mirror.port) as wire:
        wire.send(b"".join(request("GET", path) for path in paths) + request("HEAD", paths[0]))
        for path in paths:
            reply = wire.reply()
            assert reply.status == 200
            if str(DIGEST) in path:
                assert reply.body == LARGE
        assert wire.reply("HEAD").header("content-length") == str(len(LARGE))
        assert wire.is_silent()


def test_pipelined_pushes_are_each_stored(mirror: Mirror) -> None:
    blobs = [f"pipelined {number}".encode() for number in range(20)]
    with RawConnection(mirror.port) as wire:
        wire.send(
            b"".join(
                request("POST", f"/v2/pipe/blobs/uploads/?digest={Digest.of(data)}", data)
                for data in blobs
            )
        )
        assert [wire.reply("POST").status for _ in blobs] == [201] * len(blobs)
        for data in blobs:
            assert wire.ask("GET", f"/v2/pipe/blobs/{Digest.of(data)}").body == data


@pytest.mark.parametrize("leave", [RawConnection.close, reset], ids=["closes", "resets"])
def test_a_client_that_leaves_in_the_middle_of_a_blob_leaves_nothing(
    leave: object, mirror: Mirror
) -> None:
    before = opened(mirror)
    for taken in (0, 1, 100, 1 << 16, 1 << 20, 8 << 20):
        wire = RawConnection(mirror.port)
        wire.send(request("GET", f"/v2/app/blobs/{DIGEST}"))
        for _ in range(taken >> 16):
            wire.socket.recv(1 << 16)
        leave(wire)  # type: ignore[operator]
    settles(mirror, before)
    assert serves(mirror)


def test_a_client_that_stops_reading_does_not_stop_others(mirror: Mirror) -> None:
    before = opened(mirror)
    stuck = [RawConnection(mirror.port) for _ in range(40)]
    for wire in stuck:
        wire.send(request("GET", f"/v2/app/blobs/{DIGEST}"))
    assert serves(mirror)
    with RawConnection(mirror.port) as wire:
        assert wire.ask("GET", f"/v2/app/blobs/{DIGEST}").body == LARGE
    # Each client still gets the whole answer when it continues to read.
    for wire in stuck[:5]:
        assert wire.reply().body == LARGE
    for wire in stuck:
        wire.close()
    settles(mirror, before)


@pytest.mark.parametrize(
    "path", ["/v2/", f"/v2/app/blobs/{Digest.of(SMALL)}", f"/v2/app/blobs/{DIGEST}", "/v2/_catalog"]
)
def test_a_half_closed_client_is_answered(path: str, mirror: Mirror) -> None:
    with RawConnection(mirror.port) as wire:
        wire.send(request("GET", path))
        wire.socket.shutdown(socket.SHUT_WR)
        reply = wire.reply()
        assert reply.status == 200
        if str(DIGEST) in path:
            assert reply.body == LARGE
        assert wire.ends()


def test_a_half_closed_client_gets_every_pipelined_answer(mirror: Mirror) -> None:
    paths = [
        f"/v2/app/blobs/{DIGEST}",
        "/v2/",
        f"/v2/app/blobs/{DIGEST}",
        f"/v2/app/blobs/{Digest.of(SMALL)}",
    ]
    with RawConnection(mirror.port) as wire:
        wire.send(b"".join(request("GET", path) for path in paths))
        wire.socket.shutdown(socket.SHUT_WR)
        for path in paths:
            # The server has long seen the end of the requests when it sends the first answer.
            time.sleep(0.15)
            reply = wire.reply()
            assert reply.status == 200
            if str(DIGEST) in path:
                assert reply.body == LARGE
        assert wire.ends()


def test_a_half_closed_client_is_answered_by_a_busy_server(tmp_path: Path) -> None:
    """Delay the server after it has seen the client's end, and before it answers."""
    with (
        Mirror(tmp_path / "store", "-q", first=HELD_UP) as mirror,
        RawConnection(mirror.port) as wire,
    ):
        wire.send(request("GET", "/v2/") * 3)
        wire.socket.shutdown(socket.SHUT_WR)
        assert [wire.reply().status for _ in range(3)] == [200] * 3
        assert wire.ends()


def test_a_push_of_a_half_closed_client_is_answered(mirror: Mirror) -> None:
    data = b"pushed, and nothing to add"
    with RawConnection(mirror.port) as wire:
        wire.send(request("POST", f"/v2/app/blobs/uploads/?digest={Digest.of(data)}", data))
        wire.socket.shutdown(socket.SHUT_WR)
        assert wire.reply("POST").status == 201
        assert wire.ends()


@pytest.mark.parametrize("how", ["half-closed", "closed", "reset"])
@pytest.mark.parametrize("framing", ["length", "chunks"])
def test_half_a_push_stores_nothing(how: str, framing: str, mirror: Mirror) -> None:
    before = opened(mirror)
    uploads = mirror.root / "uploads"
    files = set(uploads.iterdir())
    data = random.Random(f"{how} {framing}").randbytes(300_000)
    path = f"/v2/half/blobs/uploads/?digest={Digest.of(data)}"
    wire = RawConnection(mirror.port)
    if framing == "length":
        wire.send(request("POST", path, data)[:-150_000])
    else:
        wire.send(
            request("POST", path, fields=[("Transfer-Encoding", "chunked")])
            + chunked(data[:150_000]).removesuffix(b"0\r\n\r\n")
        )
    # Wait until the server has begun to store: an earlier break would leave nothing to look for.
    until(lambda: set(uploads.iterdir()) - files)
    if how == "half-closed":
        wire.socket.shutdown(socket.SHUT_WR)
        with contextlib.suppress(Closed):
            assert wire.reply("POST").status == 400
        assert wire.ends()
        wire.close()
    elif how == "closed":
        wire.close()
    else:
        reset(wire)
    settles(mirror, before)
    until(lambda: set(uploads.iterdir()) == files)
    assert mirror.request("HEAD", f"/v2/half/blobs/{Digest.of(data)}")[0] == 404


def test_ten_clients_push_the_same_at_once_and_it_is_stored_once(mirror: Mirror) -> None:
    data = random.Random(17).randbytes(1 << 20) * 3
    digest = Digest.of(data)
    start = threading.Barrier(10)
    answers: list[int] = []

    def push(number: int) -> None:
        with RawConnection(mirror.port) as wire:
            start.wait()
            if number % 2:
                place = wire.ask("POST", f"/v2/many{number}/blobs/uploads/", b"").header("location")
                assert wire.ask("PATCH", f"{place}", data[:1_000_000]).status == 202
                answers.append(wire.ask("PUT", f"{place}?digest={digest}", data[1_000_000:]).status)
            else:
                answers.append(
                    wire.ask(
                        "POST", f"/v2/many{number}/blobs/uploads/?digest={digest}", data
                    ).status
                )

    threads = [threading.Thread(target=push, args=(number,)) for number in range(10)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert answers == [201] * 10
    stored = [
        path
        for path in (mirror.root / "blobs").rglob("*")
        if path.is_file() and path.stat().st_size == len(data)
    ]
    assert [path.name for path in stored] == [digest.hex]
    for number in range(10):
        assert mirror.request("HEAD", f"/v2/many{number}/blobs/{digest}")[0] == 200


def test_a_request_with_endless_headers_is_given_up(mirror: Mirror) -> None:
    with RawConnection(mirror.port) as wire:
        wire.send(b"GET /v2/ HTTP/1.1\r\n")
        with contextlib.suppress(ConnectionError):
            for number in range(4000):
                wire.send(f"X-{number}: {'x' * 1000}\r\n".encode())
        with contextlib.suppress(Closed):
            assert wire.reply().status in (400, 431)
        assert wire.ends()
    assert serves(mirror)


def test_an_incomplete_request_does_not_delay_the_end(tmp_path: Path) -> None:
    """The answer has begun, and a thread sleeps until the client reads more of the answer."""
    with Mirror(
        tmp_path / "store",
        "--grace",
        "1",
        first="from mirror.transfer import blocking_sendfile as b; b.PATIENCE_S = 600",
    ) as mirror:
        assert mirror.request("POST", f"/v2/app/blobs/uploads/?digest={DIGEST}", LARGE)[0] == 201
        with RawConnection(mirror.port) as wire:
            wire.send(request("GET", f"/v2/app/blobs/{DIGEST}", fields=[("Content-Length", "5")]))
            assert wire.socket.recv(1000)
            time.sleep(0.2)
            began = time.monotonic()
            assert mirror.stop() == 0
            assert time.monotonic() - began < 60


def test_workers_are_replaced_and_end_with_their_parent(tmp_path: Path) -> None:
    with Mirror(tmp_path / "store", "--workers", "2") as mirror:
        first = children(mirror.process.pid)
        assert len(first) == 2
        assert mirror.request("GET", "/v2/")[0] == 200
        os.kill(min(first), signal.SIGKILL)
        until(lambda: len(now := children(mirror.process.pid)) == 2 and now != first)
        for _ in range(20):
            assert mirror.request("GET", "/v2/")[0] == 200
        assert "ended with exit code -9" in mirror.log.read_text()
        last = children(mirror.process.pid)
        assert mirror.stop(signal.SIGKILL) == -signal.SIGKILL
        until(lambda: not any(map(is_running, last)))
