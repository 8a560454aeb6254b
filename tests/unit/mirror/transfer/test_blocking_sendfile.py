"""Threads that send files with blocking calls of sendfile."""

from __future__ import annotations

import threading
import time
from contextlib import ExitStack
from typing import TYPE_CHECKING

import uvloop

from mirror.service import MirrorSettings
from mirror.transfer import blocking_sendfile, channels, pools
from tests.support.mirror_in_process import InProcessMirror
from tests.support.raw_transfers import (
    HUGE,
    NEVER_S,
    drain,
    push_blob,
    read,
    read_body,
    send_requests,
)
from tests.support.waiting import PATIENCE_S

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable, Coroutine

    import pytest

    from mirror.transfer.channels import Socket
    from store import Store


def test_fast_client_keeps_its_thread(
    serve: Callable[..., InProcessMirror], threads: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(blocking_sendfile, "PATIENCE_S", NEVER_S)
    ask = serve()
    path = push_blob(ask, HUGE)
    threads.clear()
    with send_requests(ask, path, path) as client:
        for _ in range(2):
            assert read_body(client, len(HUGE), 1 << 20) == HUGE
    assert set(threads) == {"sendfile"}


def test_slow_client_gives_its_thread_back(
    serve: Callable[..., InProcessMirror], threads: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pools, "SENDFILE_THREADS", 1)
    monkeypatch.setattr(blocking_sendfile, "PATIENCE_S", 0.05)
    send, returned = blocking_sendfile.BlockingSendfile.send, threading.Event()

    async def recorded(
        self: blocking_sendfile.BlockingSendfile, channel: Socket, *part: int
    ) -> int:
        reached = await send(self, channel, *part)
        returned.set()
        return reached

    monkeypatch.setattr(blocking_sendfile.BlockingSendfile, "send", recorded)
    ask = serve()
    path = push_blob(ask, HUGE)
    threads.clear()
    with send_requests(ask, path) as slow:
        assert returned.wait(PATIENCE_S)
        # From here on, no client that reads counts as slow.
        monkeypatch.setattr(blocking_sendfile, "PATIENCE_S", NEVER_S)
        with send_requests(ask, path) as quick:
            assert read_body(quick, len(HUGE), 1 << 20) == HUGE
        assert set(threads) == {"sendfile"}
        # The loop sends the remaining bytes.
        assert read_body(slow, len(HUGE)) == HUGE
    assert "sendfile" not in threads[-3:]


def test_request_during_an_answer_does_not_block_the_loop(
    serve: Callable[..., InProcessMirror], monkeypatch: pytest.MonkeyPatch
) -> None:
    """While a thread writes to a socket, reads of the socket would block the event loop."""
    monkeypatch.setattr(blocking_sendfile, "PATIENCE_S", NEVER_S)
    ask = serve()
    path = push_blob(ask, HUGE)
    with send_requests(ask, path) as client:
        read(client, 1000)
        head = f"GET {path} HTTP/1.1\r\nHost: x\r\nX-Filled: "
        client.sendall(f"{head}{'x' * (4096 - len(head) - 4)}\r\n\r\n".encode())
        time.sleep(0.2)
        for _ in range(3):
            assert ask("GET", "/v2/").status == 200
        read(client, len(HUGE) - 1000)
        assert read_body(client, len(HUGE), 1 << 20)[-1000:] == HUGE[-1000:]


def test_shutdown_wakes_a_thread_that_waits_for_its_client(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(blocking_sendfile, "PATIENCE_S", NEVER_S)
    with (
        ExitStack() as stack,
        InProcessMirror(store, MirrorSettings(), uvloop.new_event_loop) as ask,
    ):
        client = stack.enter_context(send_requests(ask, push_blob(ask, HUGE)))
        read(client, 1000)
        time.sleep(0.2)
        began = time.monotonic()
        ask.end()
        assert time.monotonic() - began < PATIENCE_S


def test_closed_connection_gets_no_more_bytes(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The thread must notice a closed connection itself: the transport does not know the thread."""
    monkeypatch.setattr(blocking_sendfile, "PATIENCE_S", NEVER_S)
    monkeypatch.setattr(blocking_sendfile, "_CHECK_INTERVAL_S", 0.1)
    transports: list[asyncio.Transport] = []
    send, hang_up, hung_up = (
        blocking_sendfile.BlockingSendfile.send,
        channels.Socket.hang_up,
        threading.Event(),
    )

    def ended(self: Socket) -> None:
        hang_up(self)
        hung_up.set()

    def recorded(
        self: blocking_sendfile.BlockingSendfile, channel: Socket, *part: int
    ) -> Coroutine[None, None, int]:
        transports.append(channel._transport)
        return send(self, channel, *part)

    monkeypatch.setattr(blocking_sendfile.BlockingSendfile, "send", recorded)
    monkeypatch.setattr(channels.Socket, "hang_up", ended)
    with InProcessMirror(store, MirrorSettings(), uvloop.new_event_loop) as ask:
        client = send_requests(ask, push_blob(ask, HUGE))
        read(client, 1000)
        ask.call_soon(transports[0].close)
        assert hung_up.wait(PATIENCE_S)
        assert drain(client) < len(HUGE) - 1000


def test_shutdown_wakes_threads_of_closed_connections(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(blocking_sendfile, "PATIENCE_S", NEVER_S)
    monkeypatch.setattr(blocking_sendfile, "_CHECK_INTERVAL_S", NEVER_S)
    with (
        ExitStack() as stack,
        InProcessMirror(store, MirrorSettings(), uvloop.new_event_loop) as ask,
    ):
        client = stack.enter_context(send_requests(ask, push_blob(ask, HUGE)))
        read(client, 1000)
        time.sleep(0.2)
        ask.call_soon(ask.abort)
        time.sleep(0.2)
        began = time.monotonic()
        ask.end()
        assert time.monotonic() - began < PATIENCE_S
