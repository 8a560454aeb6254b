"""The two kinds of channel, tested without a server."""

from __future__ import annotations

import asyncio
import os
import socket
from contextlib import suppress
from typing import TYPE_CHECKING, Any, cast

import pytest

from mirror.transfer.channels import (
    PIECE_BYTES,
    SENT,
    Socket,
    Stream,
    client_progress,
    cut_off,
    drained_transport,
    is_plain_socket,
    require_bytes,
    set_ready,
)
from mirror.transfer.client_progress import ClientProgress

if TYPE_CHECKING:
    from collections.abc import Coroutine
    from pathlib import Path

    from aiohttp import web


class Transport:
    """A fake transport with only the methods that channels call."""

    def __init__(self, own: socket.socket | None, *, unsent_bytes: int = 0) -> None:
        self.extra: dict[str, object] = {"socket": own}
        self.unsent_bytes = unsent_bytes
        self.closing = self.aborted = False
        self.reading = True

    def get_extra_info(self, name: str) -> object:
        return self.extra.get(name)

    def get_write_buffer_size(self) -> int:
        self.unsent_bytes -= 1
        return max(0, self.unsent_bytes)

    def is_closing(self) -> bool:
        return self.closing

    def is_reading(self) -> bool:
        return self.reading

    def pause_reading(self) -> None:
        self.reading = False

    def resume_reading(self) -> None:
        self.reading = True

    def abort(self) -> None:
        self.aborted = True


class Request(dict[object, Any]):
    """A fake request with only the attributes that channels use."""

    transport: Transport | None = None


def request_of(transport: Transport | None) -> web.Request:
    request = Request()
    request.transport = transport
    return cast("web.Request", request)


def run(main: Coroutine[Any, Any, None]) -> None:
    asyncio.run(main)


def test_only_a_connection_without_tls_is_a_plain_socket() -> None:
    with socket.socket() as own:
        plain = Transport(own)
        assert is_plain_socket(request_of(plain))
        plain.extra["sslcontext"] = object()
        assert not is_plain_socket(request_of(plain))
    assert not is_plain_socket(request_of(Transport(None)))
    assert not is_plain_socket(request_of(None))


def test_a_connection_that_is_gone_need_not_be_cut_off() -> None:
    transport = Transport(None)
    cut_off(request_of(transport))
    assert transport.aborted
    cut_off(request_of(None))
    with pytest.raises(ConnectionResetError):
        client_progress(request_of(None))


def test_a_file_that_ends_early_breaks_the_transfer() -> None:
    assert require_bytes(1) == 1
    with pytest.raises(ConnectionAbortedError):
        require_bytes(0)


def test_a_future_is_set_once_and_not_after_it_was_cancelled() -> None:
    async def main() -> None:
        loop = asyncio.get_running_loop()
        ready, cancelled = loop.create_future(), loop.create_future()
        set_ready(ready)
        set_ready(ready)
        cancelled.cancel()
        set_ready(cancelled)
        assert ready.done()
        assert cancelled.cancelled()

    run(main())


def test_a_transport_is_taken_over_when_its_buffer_is_empty() -> None:
    async def main() -> None:
        transport = Transport(None, unsent_bytes=3)
        found: object = await drained_transport(request_of(transport))
        assert found is transport
        assert transport.unsent_bytes <= 0
        transport.closing = True
        with pytest.raises(ConnectionResetError):
            await drained_transport(request_of(transport))

    run(main())


def test_a_client_that_does_not_read_earlier_responses_is_stalled(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("mirror.transfer.client_progress.STALL_S", 0.01)

    async def main() -> None:
        with pytest.raises(TimeoutError):
            await drained_transport(request_of(Transport(None, unsent_bytes=10**9)))

    run(main())


def test_a_socket_counts_the_bytes_that_it_takes(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"0123456789")
    ours, theirs = socket.socketpair()
    os.set_blocking(ours.fileno(), False)

    async def main() -> None:
        request = request_of(Transport(ours))
        channel = await Socket.of(request)
        with (tmp_path / "file").open("rb") as file:
            assert channel.sendfile(file.fileno(), 2, 5) == 5
            assert await channel.send(memoryview(b"abc"), 1) == 3
            with pytest.raises(ConnectionAbortedError):
                channel.sendfile(file.fileno(), 10, 5)
        await channel.drain()
        channel.close()
        assert request[SENT] == 8

    with ours, theirs:
        run(main())
        assert theirs.recv(100) == b"23456abc"


def test_a_full_socket_takes_nothing_until_the_client_reads() -> None:
    ours, theirs = socket.socketpair()
    os.set_blocking(ours.fileno(), False)

    async def main() -> None:
        channel = await Socket.of(request_of(Transport(ours)))
        block = memoryview(bytes(1 << 20))
        while await channel.send(block, 0.001):
            pass
        draining = asyncio.create_task(channel.drain())
        await asyncio.sleep(0.01)
        assert not draining.done()
        os.set_blocking(theirs.fileno(), False)
        while not draining.done():
            with suppress(BlockingIOError):
                theirs.recv(1 << 20)
            await asyncio.sleep(0)
        channel.close()

    with ours, theirs:
        run(main())


def test_a_connection_that_its_transport_closed_takes_no_more_bytes() -> None:
    ours, theirs = socket.socketpair()

    async def main() -> None:
        transport = Transport(ours)
        channel = await Socket.of(request_of(transport))
        assert channel.is_open
        transport.closing = True
        with pytest.raises(ConnectionResetError):
            await channel.send(memoryview(b"x"), 1)
        channel.hang_up()
        channel.close()

    with ours, theirs:
        run(main())
        assert theirs.recv(1) == b""


def test_reading_goes_on_afterwards_unless_it_was_paused_before() -> None:
    ours, theirs = socket.socketpair()

    async def main() -> None:
        transport = Transport(ours)
        channel = await Socket.of(request_of(transport))
        for before in (True, False):
            transport.reading = before
            with channel.reading_paused():
                assert not transport.reading
            assert transport.reading is before
        channel.close()

    with ours, theirs:
        run(main())


def test_a_stream_copies_a_piece_and_takes_the_next_one_when_it_is_written() -> None:
    class Response:
        def __init__(self) -> None:
            self.written: list[bytes] = []
            self.may_write = asyncio.Event()

        async def write(self, data: bytes) -> None:
            await self.may_write.wait()
            self.written.append(data)

    async def main() -> None:
        response = Response()
        stream = Stream(cast("web.StreamResponse", response), ClientProgress(None))
        block = bytearray(PIECE_BYTES + 5)
        assert await stream.send(memoryview(block), 0.001) == PIECE_BYTES
        block[:] = b"x" * len(block)
        assert await stream.send(memoryview(block), 0.001) == 0
        response.may_write.set()
        await stream.drain()
        assert await stream.send(memoryview(b"end"), 0.001) == 3
        await stream.drain()
        stream.close()
        assert response.written == [bytes(PIECE_BYTES), b"end"]

    run(main())


def test_an_error_of_an_earlier_piece_is_raised_with_the_next_one() -> None:
    class Response:
        async def write(self, _data: bytes) -> None:
            raise ConnectionResetError("closed")

    async def main() -> None:
        stream = Stream(cast("web.StreamResponse", Response()), ClientProgress(None))
        await stream.send(memoryview(b"one"), 1)
        with pytest.raises(ConnectionResetError):
            await stream.send(memoryview(b"two"), 1)

    run(main())
