"""Transfers beside others, over slow disks and to slow clients."""

from __future__ import annotations

import asyncio
import ctypes
import errno
import io
import mmap
import os
import random
import socket
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, suppress
from types import SimpleNamespace
from typing import TYPE_CHECKING, cast

import pytest
import uvloop
from aiohttp import web

from mirror.service import MirrorSettings
from mirror.transfer import blocking_sendfile as lanes
from mirror.transfer import channels, pools
from mirror.transfer import nonblocking_sendfile as turns
from mirror.transfer import send_blocks as blocks
from mirror.transfer import send_file as files
from mirror.transfer.block_memory import BlockMemory
from mirror.transfer.client_progress import ClientProgress, unconfirmed_bytes
from store.model.digests import Digest
from store.registry.uploads import Upload
from tests.support import images
from tests.support.clocks import hold_stalling
from tests.support.mirror_in_process import Served
from tests.support.processes import open_files
from tests.support.waiting import PATIENCE_S, until

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine
    from pathlib import Path

    from mirror.transfer.channels import Socket
    from store import Store
    from store.content.blocks import Blocks

SMALL = random.Random(11).randbytes(1 << 20)
LARGE = SMALL * 6
HUGE = LARGE * 6
"""More than the buffers of two sockets hold."""

FOR_EVER_S = 600
"""Longer than anybody here waits for anything."""


def pushed(ask: Served, data: bytes) -> str:
    digest = Digest.of(data)
    assert ask("POST", f"/v2/app/blobs/uploads/?digest={digest}", data).status == 201
    return f"/v2/app/blobs/{digest}"


def asking(ask: Served, *paths: str) -> socket.socket:
    """A client that has asked for these and does not read yet."""
    client = socket.create_connection(("127.0.0.1", ask.port), timeout=PATIENCE_S)
    client.sendall(b"".join(f"GET {path} HTTP/1.1\r\nHost: x\r\n\r\n".encode() for path in paths))
    return client


def read(
    client: socket.socket, size_bytes: int, pause_s: float = 0.0, piece_bytes: int = 1 << 14
) -> bytes:
    data = bytearray()
    while len(data) < size_bytes and (
        piece := client.recv(min(piece_bytes, size_bytes - len(data)))
    ):
        data += piece
        time.sleep(pause_s)
    return bytes(data)


def body(client: socket.socket, size_bytes: int, piece_bytes: int = 1 << 14) -> bytes:
    """Of the answer that comes next."""
    head = bytearray()
    while not head.endswith(b"\r\n\r\n"):
        head += read(client, 1)
    return read(client, size_bytes, piece_bytes=piece_bytes)


def rest_of(client: socket.socket) -> int:
    """How many bytes come until the connection ends."""
    size_bytes = 0
    with client, suppress(ConnectionError):
        while piece := client.recv(1 << 16):
            size_bytes += len(piece)
    return size_bytes


def descriptors() -> int:
    """How many are open, but for the database's: how many connections to that are kept is the store's own affair."""
    return sum("store.db" not in target for target in open_files())


# --- slow disks -----------------------------------------------------------------------------------


@pytest.fixture(params=["lanes", "turns"])
def ask(
    request: pytest.FixtureRequest, serve: Callable[..., Served], monkeypatch: pytest.MonkeyPatch
) -> Served:
    """The application, with a free lane for everybody and with none."""
    if request.param == "turns":
        monkeypatch.setattr(pools, "SENDFILE_THREADS", 0)
    return serve()


def forget(path: Path, patch: pytest.MonkeyPatch) -> None:
    """Have the page cache let go of a file.

    Where it keeps some of it (tmpfs keeps all), the file is only said to be cold.
    """
    with path.open("rb") as file:
        os.fsync(file.fileno())
        os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
        if cached_pages(file.fileno()):
            cold(patch)


def cached_pages(descriptor: int) -> int:
    """Of a file, asked in the one way that does not have it read ahead (mincore(2))."""
    with mmap.mmap(
        descriptor, 0, flags=mmap.MAP_PRIVATE, prot=mmap.PROT_READ | mmap.PROT_WRITE
    ) as mapped:
        states = (ctypes.c_ubyte * -(-len(mapped) // mmap.PAGESIZE))()
        start = (ctypes.c_char * len(mapped)).from_buffer(mapped)
        answer = ctypes.CDLL(None, use_errno=True).mincore(
            ctypes.byref(start), ctypes.c_size_t(len(mapped)), states
        )
        del start
        assert answer == 0, os.strerror(ctypes.get_errno())
        return sum(state & 1 for state in states)


@pytest.fixture
def threads(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Which threads send files."""
    names: list[str] = []
    sendfile = os.sendfile

    def noted(*arguments: int) -> int:
        names.append(threading.current_thread().name.partition("_")[0])
        return sendfile(*arguments)

    monkeypatch.setattr(os, "sendfile", noted)
    return names


def cold(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (files, turns):
        monkeypatch.setattr(module, "is_at_hand", lambda *_: False)


def test_what_has_to_come_from_the_disk_is_sent_by_a_thread(
    serve: Callable[..., Served], store: Store, threads: list[str]
) -> None:
    ask = serve()
    path = pushed(ask, SMALL)
    with pytest.MonkeyPatch.context() as patch:
        forget(store.blobs.path(Digest.of(SMALL)), patch)
        assert ask("GET", path).body == SMALL
    assert threads[0] == "sendfile"
    threads.clear()
    assert ask("GET", path).body == SMALL
    assert threads[0] != "sendfile"


def test_without_a_lane_too(
    serve: Callable[..., Served], threads: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pools, "SENDFILE_THREADS", 0)
    ask = serve()
    path = pushed(ask, SMALL)
    assert ask("GET", path).body == SMALL
    assert "file" not in threads
    cold(monkeypatch)
    assert ask("GET", path).body == SMALL
    assert threads[-1] == "file"


def test_a_slow_disk_holds_up_who_asks_it_and_nobody_else(
    ask: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = pushed(ask, LARGE)
    cold(monkeypatch)
    sendfile, reads, may_read = os.sendfile, threading.Event(), threading.Event()

    def slow(*arguments: int) -> int:
        reads.set()
        may_read.wait(2 * PATIENCE_S)
        return sendfile(*arguments)

    monkeypatch.setattr(os, "sendfile", slow)
    clock = hold_stalling(monkeypatch, 0.2)
    with asking(ask, path, path) as client:
        assert reads.wait(PATIENCE_S)
        assert ask("GET", "/v2/").status == 200
        # The disk's delay is not the client's, however often the server looks meanwhile.
        clock.now += 100
        time.sleep(0.5)
        may_read.set()
        assert body(client, len(LARGE)) == LARGE
        assert body(client, len(LARGE)) == LARGE


def test_who_leaves_while_the_disk_is_read_leaves_nothing(
    ask: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = pushed(ask, HUGE)
    cold(monkeypatch)
    before = descriptors()
    for _ in range(5):
        with asking(ask, path) as client:
            read(client, 100)
    until(lambda: not ask.connections and descriptors() <= before)
    assert ask("GET", path).body == HUGE


def test_a_disk_that_cannot_be_read_cuts_the_answer_off(
    ask: Served, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    path = pushed(ask, LARGE)

    def broken(*_: int) -> int:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    monkeypatch.setattr(os, "sendfile", broken)
    assert rest_of(asking(ask, path)) < 1000
    until(lambda: "it cannot be read" in caplog.text)
    assert "Traceback" not in caplog.text


def test_a_file_that_has_become_shorter_cuts_the_answer_off(ask: Served, store: Store) -> None:
    path = pushed(ask, HUGE)
    with asking(ask, path) as client:
        read(client, 1000)
        os.truncate(store.blobs.path(Digest.of(HUGE)), len(LARGE))
        assert rest_of(client) < len(HUGE) - 1000


def test_pushes_to_a_slow_disk_do_not_hold_up_pulls(
    ask: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = pushed(ask, LARGE)
    write, may_write = Upload.write, threading.Event()
    writing: list[Upload] = []

    def slow(upload: Upload, data: bytes | memoryview) -> None:
        writing.append(upload)
        may_write.wait(2 * PATIENCE_S)
        write(upload, data)

    monkeypatch.setattr(Upload, "write", slow)
    head = (
        f"POST /v2/app/blobs/uploads/?digest={Digest.of(LARGE)} HTTP/1.1\r\nHost:"
        f" x\r\nContent-Length: {len(LARGE)}\r\n\r\n".encode()
    )
    with ExitStack() as stack:
        clients = [
            stack.enter_context(
                socket.create_connection(("127.0.0.1", ask.port), timeout=PATIENCE_S)
            )
            for _ in range(12)
        ]
        senders = [
            threading.Thread(target=client.sendall, args=(head + LARGE,)) for client in clients
        ]
        for sender in senders:
            sender.start()
        try:
            # As many as there are threads for it: there are no more to come.
            until(lambda: len(writing) == 6)
            with asking(ask, path) as client:
                assert body(client, len(LARGE)) == LARGE
        finally:
            may_write.set()
            for sender in senders:
                sender.join()
        for client in clients:
            assert client.recv(100).startswith(b"HTTP/1.1 201 ")


# --- lanes ----------------------------------------------------------------------------------------


def test_a_client_that_keeps_up_has_a_thread_for_itself(
    serve: Callable[..., Served], threads: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lanes, "PATIENCE_S", FOR_EVER_S)
    ask = serve()
    path = pushed(ask, HUGE)
    threads.clear()
    with asking(ask, path, path) as client:
        for _ in range(2):
            assert body(client, len(HUGE), 1 << 20) == HUGE
    assert set(threads) == {"sendfile"}


def test_a_client_that_does_not_keep_up_gives_the_thread_back(
    serve: Callable[..., Served], threads: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pools, "SENDFILE_THREADS", 1)
    monkeypatch.setattr(lanes, "PATIENCE_S", 0.05)
    feed, given_back = lanes.BlockingSendfile.feed, threading.Event()

    async def noted(self: lanes.BlockingSendfile, channel: Socket, *part: int) -> int:
        came_to = await feed(self, channel, *part)
        given_back.set()
        return came_to

    monkeypatch.setattr(lanes.BlockingSendfile, "feed", noted)
    ask = serve()
    path = pushed(ask, HUGE)
    threads.clear()
    with asking(ask, path) as slow:
        assert given_back.wait(PATIENCE_S)
        # From here on whoever reads at all keeps up.
        monkeypatch.setattr(lanes, "PATIENCE_S", FOR_EVER_S)
        with asking(ask, path) as quick:
            assert body(quick, len(HUGE), 1 << 20) == HUGE
        assert set(threads) == {"sendfile"}
        # The rest comes by turns.
        assert body(slow, len(HUGE)) == HUGE
    assert "sendfile" not in threads[-3:]


def test_what_a_client_says_in_the_middle_holds_up_nobody(
    serve: Callable[..., Served], monkeypatch: pytest.MonkeyPatch
) -> None:
    """While a thread feeds its socket, reading from it would wait for more: so nobody may."""
    monkeypatch.setattr(lanes, "PATIENCE_S", FOR_EVER_S)
    ask = serve()
    path = pushed(ask, HUGE)
    with asking(ask, path) as client:
        read(client, 1000)
        head = f"GET {path} HTTP/1.1\r\nHost: x\r\nX-Filled: "
        client.sendall(f"{head}{'x' * (4096 - len(head) - 4)}\r\n\r\n".encode())
        time.sleep(0.2)
        for _ in range(3):
            assert ask("GET", "/v2/").status == 200
        read(client, len(HUGE) - 1000)
        assert body(client, len(HUGE), 1 << 20)[-1000:] == HUGE[-1000:]


def test_the_end_of_the_server_wakes_a_thread_that_waits_for_a_client(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lanes, "PATIENCE_S", FOR_EVER_S)
    with ExitStack() as stack, Served(store, MirrorSettings(), uvloop.new_event_loop) as ask:
        client = stack.enter_context(asking(ask, pushed(ask, HUGE)))
        read(client, 1000)
        time.sleep(0.2)
        began = time.monotonic()
        ask.end()
        assert time.monotonic() - began < PATIENCE_S


def test_a_connection_that_was_closed_is_not_fed_any_more(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its transport does not know that a thread has it too."""
    monkeypatch.setattr(lanes, "PATIENCE_S", FOR_EVER_S)
    monkeypatch.setattr(lanes, "_LOOK_AGAIN_S", 0.1)
    transports: list[asyncio.Transport] = []
    fed, hang_up, hung_up = lanes.BlockingSendfile.feed, channels.Socket.hang_up, threading.Event()

    def ended(self: Socket) -> None:
        hang_up(self)
        hung_up.set()

    def noted(
        self: lanes.BlockingSendfile, channel: Socket, *part: int
    ) -> Coroutine[None, None, int]:
        transports.append(channel._transport)
        return fed(self, channel, *part)

    monkeypatch.setattr(lanes.BlockingSendfile, "feed", noted)
    monkeypatch.setattr(channels.Socket, "hang_up", ended)
    with Served(store, MirrorSettings(), uvloop.new_event_loop) as ask:
        client = asking(ask, pushed(ask, HUGE))
        read(client, 1000)
        ask.soon(transports[0].close)
        assert hung_up.wait(PATIENCE_S)
        assert rest_of(client) < len(HUGE) - 1000


def test_the_end_of_the_server_wakes_threads_whose_connections_it_has_closed(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lanes, "PATIENCE_S", FOR_EVER_S)
    monkeypatch.setattr(lanes, "_LOOK_AGAIN_S", FOR_EVER_S)
    with ExitStack() as stack, Served(store, MirrorSettings(), uvloop.new_event_loop) as ask:
        client = stack.enter_context(asking(ask, pushed(ask, HUGE)))
        read(client, 1000)
        time.sleep(0.2)
        ask.soon(ask.abort)
        time.sleep(0.2)
        began = time.monotonic()
        ask.end()
        assert time.monotonic() - began < PATIENCE_S


# --- blocks ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("failing", ["drained", "Socket"])
def test_no_head_is_sent_without_a_body(
    failing: str, serve: Callable[..., Served], store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The client would take the next answer for it."""
    ask = serve()
    layer = images.layer("small", SMALL)
    store.import_archive(io.BytesIO(images.image(layer, tags=("app:1",)).bytes()))

    async def drained(_: web.Request) -> None:
        raise TimeoutError("the client has taken nothing")

    async def of(_: web.Request) -> None:
        raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))

    monkeypatch.setattr(
        blocks, failing, drained if failing == "drained" else SimpleNamespace(of=of)
    )
    with asking(ask, f"/v2/app/blobs/{Digest.of(layer)}") as client:
        client.sendall(b"GET /v2/ HTTP/1.1\r\nHost: x\r\n\r\n")
        assert rest_of(client) < 1000


# --- slow clients ---------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["file", "decoded"])
def test_a_slow_client_that_reads_steadily_is_never_cut_off(
    kind: str, ask: Served, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What it takes meanwhile is less than what makes Linux call the socket writable again."""
    data = HUGE
    if kind == "file":
        path = pushed(ask, data)
    else:
        data = images.layer("huge", HUGE)
        store.import_archive(io.BytesIO(images.image(data, tags=("app:1",)).bytes()))
        path = f"/v2/app/blobs/{Digest.of(data)}"
    clock = hold_stalling(monkeypatch, 1.0)
    with asking(ask, path) as client:
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


def test_who_takes_nothing_is_found_out(monkeypatch: pytest.MonkeyPatch) -> None:
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
            with pytest.raises(TimeoutError, match="has taken nothing"):
                watched.raise_if_stalled()


def test_who_does_not_read_earlier_answers_holds_no_block(monkeypatch: pytest.MonkeyPatch) -> None:
    """There are few, and everybody needs one."""
    room = BlockMemory(1)
    transport = SimpleNamespace(
        get_extra_info={"socket": None}.get,
        is_closing=lambda: False,
        get_write_buffer_size=lambda: 1000,
        abort=lambda: None,
    )
    monkeypatch.setattr(blocks, "can_be_fed", lambda _: True)
    clock = hold_stalling(monkeypatch, 60)

    async def main() -> None:
        request, unread = (
            cast("web.Request", SimpleNamespace(transport=transport)),
            cast("Blocks", None),
        )
        with ThreadPoolExecutor(1) as pool:
            task = asyncio.create_task(
                blocks.send_blocks(request, web.StreamResponse(), pool, room, unread, 0, 10)
            )
            await asyncio.sleep(0.05)
            with await asyncio.wait_for(room.lend(), PATIENCE_S):
                assert not task.done()
            clock.now += 60
            with pytest.raises(TimeoutError):
                await task

    asyncio.run(main())
