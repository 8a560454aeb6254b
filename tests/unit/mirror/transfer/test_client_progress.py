"""The timer that ends a transfer when the client stops reading."""

from __future__ import annotations

import io
import socket
from typing import TYPE_CHECKING

import pytest

from mirror.transfer import blocking_sendfile, client_progress
from mirror.transfer.client_progress import ClientProgress, unconfirmed_bytes
from store.model.digests import Digest
from tests.support import images
from tests.support.clocks import hold_stalling
from tests.support.raw_transfers import HUGE, push_blob, read, send_requests
from tests.support.waiting import until

if TYPE_CHECKING:
    from store import Store
    from tests.support.mirror_in_process import InProcessMirror


@pytest.mark.parametrize("kind", ["file", "decoded"])
def test_client_that_reads_slowly_but_steadily_is_never_cut_off(
    kind: str, ask: InProcessMirror, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The client reads too few bytes at a time for Linux to report the socket as writable."""
    data = HUGE
    if kind == "file":
        path = push_blob(ask, data)
    else:
        data = images.layer("huge", HUGE)
        store.import_archive(io.BytesIO(images.image(data, tags=("app:1",)).bytes()))
        path = f"/v2/app/blobs/{Digest.of(data)}"
    clock = hold_stalling(monkeypatch, 1.0)
    with send_requests(ask, path) as client:
        read(client, 1)
        for _ in range(38):
            read(client, 1 << 14, 0.08)
            clock.now += 0.08
        tail = data[-(1 << 20) :]
        got = b""
        while piece := client.recv(1 << 20):
            got = (got + piece)[-len(tail) :]
            if got == tail:
                break
        assert got == tail


def test_client_that_takes_no_byte_is_stalled(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = hold_stalling(monkeypatch, 60)
    with (
        socket.create_server(("127.0.0.1", 0)) as listener,
        socket.create_connection(listener.getsockname()) as client,
    ):
        server, _ = listener.accept()
        with server:
            watched = ClientProgress(server)
            for _ in range(6):
                server.send(b"x" * 1000)
                assert len(client.recv(1000)) > 0
                until(lambda: not unconfirmed_bytes(server))
                clock.now += 100
                watched.raise_if_stalled()
            clock.now += 59
            watched.raise_if_stalled()
            clock.now += 1
            with pytest.raises(TimeoutError, match="has received no byte"):
                watched.raise_if_stalled()


class Kernel:
    """The confirmed and unconfirmed bytes of a connection, as a test sets them."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.confirmed = 0
        self.waiting = 0
        monkeypatch.setattr(ClientProgress, "_confirmed_bytes", lambda _: self.confirmed)
        monkeypatch.setattr(client_progress, "unconfirmed_bytes", lambda _: self.waiting)


def test_a_client_below_the_least_pace_is_cut_off(monkeypatch: pytest.MonkeyPatch) -> None:
    clock, kernel = hold_stalling(monkeypatch, 60), Kernel(monkeypatch)
    watched = ClientProgress(None)
    kernel.waiting = 100_000
    watched.note(kernel.waiting)
    for _ in range(100):
        clock.now += 50
        kernel.confirmed += 50 * 1024
        watched.note(1000)
        watched.raise_if_stalled()
    with pytest.raises(TimeoutError, match="fewer than 1024 bytes a second"):
        for _ in range(5):
            clock.now += 50
            kernel.confirmed += 25 * 1024
            # Taking more bytes from the server does not help.
            watched.note(1000)
            watched.raise_if_stalled()


def test_a_slow_server_does_not_count_against_the_client(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    clock, kernel = hold_stalling(monkeypatch, 60), Kernel(monkeypatch)
    watched = ClientProgress(None)
    for _ in range(10):
        # The client has all bytes, and the disk needs a minute for the next ones.
        clock.now += 500
        kernel.waiting = 1000
        watched.note(1000)
        watched.raise_if_stalled()
        kernel.waiting = 0
        kernel.confirmed += 1000
        watched.raise_if_stalled()
        clock.now += 500
        kernel.confirmed += 1
        watched.raise_if_stalled()


@pytest.mark.parametrize("kind", ["file", "decoded"])
def test_client_that_reads_too_slowly_is_cut_off(
    kind: str, ask: InProcessMirror, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(client_progress, "STALL_S", 0.5)
    monkeypatch.setattr(client_progress, "MIN_BYTES_PER_S", 200e6)
    # A thread sends for as long as it never waits for long, and then the client is fast enough.
    monkeypatch.setattr(blocking_sendfile, "PATIENCE_S", 0.001)
    if kind == "file":
        path = push_blob(ask, HUGE)
    else:
        data = images.layer("huge", HUGE)
        store.import_archive(io.BytesIO(images.image(data, tags=("app:1",)).bytes()))
        path = f"/v2/app/blobs/{Digest.of(data)}"
    with send_requests(ask, path) as client:
        assert len(read(client, 1 << 30, pause_s=0.01)) < len(HUGE)
