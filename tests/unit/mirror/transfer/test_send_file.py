"""The mirror sends files to clients, even if the disk or the client is slow."""

from __future__ import annotations

import errno
import os
import socket
import threading
import time
from contextlib import suppress
from typing import TYPE_CHECKING

import pytest

from store.model.digests import Digest
from tests.support.clocks import hold_stalling
from tests.support.pushes import push
from tests.support.raw_transfers import (
    HUGE,
    LARGE,
    SMALL,
    count_descriptors,
    drain,
    evict,
    pretend_uncached,
    push_blob,
    read,
    read_body,
    send_requests,
)
from tests.support.waiting import PATIENCE_S, until

if TYPE_CHECKING:
    from collections.abc import Callable

    from store import Store
    from tests.support.mirror_in_process import InProcessMirror


def test_slow_client_gets_every_byte(ask: InProcessMirror) -> None:
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


def test_client_that_disconnects_does_not_disturb_others(ask: InProcessMirror) -> None:
    digest = push(ask, HUGE)
    for _ in range(5):
        with socket.create_connection(("127.0.0.1", ask.port)) as client:
            client.sendall(f"GET /v2/app/blobs/{digest} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
            client.recv(100)
    assert ask("GET", f"/v2/app/blobs/{digest}").body == HUGE


def test_client_that_stops_reading_is_cut_off(
    ask: InProcessMirror, monkeypatch: pytest.MonkeyPatch
) -> None:
    from mirror.transfer import client_progress

    monkeypatch.setattr(client_progress, "STALL_S", 0.2)
    digest = push(ask, HUGE)
    with socket.create_connection(("127.0.0.1", ask.port)) as client:
        client.sendall(f"GET /v2/app/blobs/{digest} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
        got = len(client.recv(1))
        until(lambda: not ask.connections)
        with suppress(ConnectionError):
            while piece := client.recv(1 << 16):
                got += len(piece)
    assert 0 < got < len(HUGE)


def test_uncached_file_is_sent_by_a_thread(
    serve: Callable[..., InProcessMirror], store: Store, threads: list[str]
) -> None:
    ask = serve()
    path = push_blob(ask, SMALL)
    with pytest.MonkeyPatch.context() as patch:
        evict(store.blobs.path(Digest.of(SMALL)), patch)
        assert ask("GET", path).body == SMALL
    assert threads[0] == "sendfile"
    threads.clear()
    assert ask("GET", path).body == SMALL
    assert threads[0] != "sendfile"


def test_slow_disk_delays_only_its_own_client(
    ask: InProcessMirror, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = push_blob(ask, LARGE)
    pretend_uncached(monkeypatch)
    sendfile, reads, may_read = os.sendfile, threading.Event(), threading.Event()

    def slow(*arguments: int) -> int:
        reads.set()
        may_read.wait(2 * PATIENCE_S)
        return sendfile(*arguments)

    monkeypatch.setattr(os, "sendfile", slow)
    clock = hold_stalling(monkeypatch, 0.2)
    with send_requests(ask, path, path) as client:
        assert reads.wait(PATIENCE_S)
        assert ask("GET", "/v2/").status == 200
        # The time that the disk takes does not count against the client.
        clock.now += 100
        time.sleep(0.5)
        may_read.set()
        assert read_body(client, len(LARGE)) == LARGE
        assert read_body(client, len(LARGE)) == LARGE


def test_client_that_leaves_during_a_read_leaves_no_descriptor_open(
    ask: InProcessMirror, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = push_blob(ask, HUGE)
    pretend_uncached(monkeypatch)
    before = count_descriptors()
    for _ in range(5):
        with send_requests(ask, path) as client:
            read(client, 100)
    until(lambda: not ask.connections and count_descriptors() <= before)
    assert ask("GET", path).body == HUGE


def test_unreadable_disk_cuts_the_answer_off(
    ask: InProcessMirror, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    path = push_blob(ask, LARGE)

    def broken(*_: int) -> int:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    monkeypatch.setattr(os, "sendfile", broken)
    assert drain(send_requests(ask, path)) < 1000
    until(lambda: "cannot read the blob" in caplog.text)
    assert "Traceback" not in caplog.text


def test_shortened_file_cuts_the_answer_off(ask: InProcessMirror, store: Store) -> None:
    path = push_blob(ask, HUGE)
    with send_requests(ask, path) as client:
        read(client, 1000)
        os.truncate(store.blobs.path(Digest.of(HUGE)), len(LARGE))
        assert drain(client) < len(HUGE) - 1000
