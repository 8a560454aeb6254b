from __future__ import annotations

import asyncio
import hashlib
import ssl
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, TypeAlias, cast

import aiohttp
import pytest
import uvloop

from remote.http.large_bodies import MIN_BYTES, PIECE_BYTES, LargeBody
from store.model.limits import MIB
from tests.support.certificates import make_certificate
from tests.support.waiting import PATIENCE_S, until_in_loop

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
    from pathlib import Path

Run: TypeAlias = "Callable[[Coroutine[object, object, Any]], Any]"

DATA: Final = hashlib.shake_128(b"large").digest(MIN_BYTES + 2 * MIB + 12_345)


@dataclass
class Server:
    """A server whose answers ``send`` writes; ``connections`` is the number of connections."""

    send: Callable[[asyncio.StreamWriter], Awaitable[None]]
    connections: int = 0
    port: int = 0

    async def accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        try:
            while await reader.readuntil(b"\r\n\r\n"):
                await self.send(writer)
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()


def head(*headers: str) -> bytes:
    return "\r\n".join(["HTTP/1.1 200 OK", *headers, "", ""]).encode()


def answer(data: bytes, length: int | None = None) -> Callable[[Any], Awaitable[None]]:
    async def send(writer: asyncio.StreamWriter) -> None:
        writer.write(head(f"Content-Length: {len(data) if length is None else length}") + data)

    return send


@asynccontextmanager
async def serving(
    send: Callable[[asyncio.StreamWriter], Awaitable[None]], tls: ssl.SSLContext | None = None
) -> AsyncIterator[Server]:
    server = Server(send)
    listener = await asyncio.start_server(server.accept, "127.0.0.1", 0, ssl=tls)
    async with listener:
        server.port = listener.sockets[0].getsockname()[1]
        yield server


@asynccontextmanager
async def requested(
    server: Server, *, scheme: str = "http", read_bufsize: int = MIB
) -> AsyncIterator[aiohttp.ClientResponse]:
    async with (
        aiohttp.ClientSession(read_bufsize=read_bufsize, auto_decompress=False) as session,
        session.get(f"{scheme}://127.0.0.1:{server.port}/", ssl=False) as response,
    ):
        yield response


def taken(response: aiohttp.ClientResponse, idle_timeout_s: float = PATIENCE_S) -> LargeBody:
    body = LargeBody.take_over(response, idle_timeout_s=idle_timeout_s)
    assert body is not None
    return body


@pytest.fixture(params=[asyncio.new_event_loop, uvloop.new_event_loop], ids=["asyncio", "uvloop"])
def run(request: pytest.FixtureRequest) -> Run:
    def run(work: Coroutine[object, object, Any]) -> Any:  # noqa: ANN401
        with asyncio.Runner(loop_factory=request.param) as runner:
            return runner.run(asyncio.wait_for(work, PATIENCE_S))

    return run


def test_a_large_body_arrives_whole_in_large_pieces(run: Run) -> None:
    async def work() -> list[bytes]:
        async with serving(answer(DATA)) as server, requested(server) as response:
            return [piece async for piece in taken(response).pieces()]

    pieces = run(work())
    assert b"".join(pieces) == DATA
    assert max(len(piece) for piece in pieces[1:]) <= PIECE_BYTES


def test_what_aiohttp_holds_back_is_part_of_the_body(run: Run) -> None:
    async def work() -> bytes:
        async with (
            serving(answer(DATA)) as server,
            requested(server, read_bufsize=64 * 1024) as response,
        ):
            # More than aiohttp gives its readers at once.
            await until_in_loop(lambda: response.content.total_bytes > 2 * 64 * 1024)
            return b"".join([piece async for piece in taken(response).pieces()])

    assert run(work()) == DATA


def test_bytes_after_the_body_are_not_read(run: Run) -> None:
    async def work() -> bytes:
        send = answer(DATA + b"HTTP/1.1 200 OK\r\n\r\n", len(DATA))
        async with serving(send) as server, requested(server) as response:
            return b"".join([piece async for piece in taken(response).pieces()])

    assert run(work()) == DATA


def test_only_the_connection_of_a_small_body_is_used_again(run: Run) -> None:
    async def work(data: bytes) -> int:
        async with serving(answer(data)) as server, aiohttp.ClientSession() as session:
            for _ in range(2):
                async with session.get(f"http://127.0.0.1:{server.port}/") as response:
                    body = LargeBody.take_over(response, idle_timeout_s=PATIENCE_S)
                    pieces = body.pieces() if body is not None else response.content.iter_any()
                    assert b"".join([piece async for piece in pieces]) == data
            return server.connections

    assert run(work(DATA)) == 2
    assert run(work(DATA[: MIN_BYTES - 1])) == 1


def test_bytes_of_a_slow_connection_do_not_wait_for_a_full_buffer(run: Run) -> None:
    async def work() -> bytes:
        may_go_on = asyncio.Event()

        async def send(writer: asyncio.StreamWriter) -> None:
            writer.write(head(f"Content-Length: {len(DATA)}"))
            for start in range(0, len(DATA), 700_001):
                may_go_on.clear()
                writer.write(DATA[start : start + 700_001])
                await may_go_on.wait()

        got = bytearray()
        async with serving(send) as server, requested(server) as response:
            async for piece in taken(response).pieces():
                got += piece
                if len(got) % 700_001 == 0 or len(got) == len(DATA):
                    may_go_on.set()
        return bytes(got)

    assert run(work()) == DATA


def test_what_arrived_before_a_cut_is_given_before_the_error(run: Run) -> None:
    async def work() -> bytes:
        async def send(writer: asyncio.StreamWriter) -> None:
            writer.write(head(f"Content-Length: {len(DATA)}") + DATA[:-1])
            await writer.drain()
            writer.close()

        got = bytearray()
        async with serving(send) as server, requested(server) as response:
            with pytest.raises(aiohttp.ClientPayloadError):
                async for piece in taken(response).pieces():
                    got += piece
        return bytes(got)

    assert run(work()) == DATA[:-1]


def test_a_silent_connection_ends_the_body(run: Run) -> None:
    async def work() -> bytes:
        got = bytearray()
        send = answer(DATA[:-1], len(DATA))
        async with serving(send) as server, requested(server) as response:
            with pytest.raises(aiohttp.SocketTimeoutError):
                async for piece in taken(response, 0.05).pieces():
                    got += piece
        return bytes(got)

    got = run(work())
    assert DATA.startswith(got)


def test_bodies_of_unknown_length_stay_with_aiohttp(run: Run) -> None:
    async def work() -> None:
        async def send(writer: asyncio.StreamWriter) -> None:
            size = f"{len(DATA):x}\r\n".encode()
            writer.write(head("Transfer-Encoding: chunked") + size + DATA + b"\r\n0\r\n\r\n")

        async with serving(send) as server, requested(server) as response:
            assert LargeBody.take_over(response, idle_timeout_s=1) is None
            assert await response.read() == DATA

    run(work())


def test_bodies_over_tls_stay_with_aiohttp(tmp_path: Path, run: Run) -> None:
    made = make_certificate(tmp_path)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(made.chain, made.key)

    async def work() -> None:
        async with (
            serving(answer(DATA), context) as server,
            requested(server, scheme="https") as response,
        ):
            assert LargeBody.take_over(response, idle_timeout_s=1) is None
            assert await response.read() == DATA

    run(work())


class Paused:
    """A transport that remembers whether it reads."""

    is_reading = True

    def pause_reading(self) -> None:
        self.is_reading = False

    def resume_reading(self) -> None:
        self.is_reading = True


def test_a_reader_that_stops_stops_the_connection() -> None:
    async def work() -> None:
        transport = Paused()
        body = LargeBody(b"", 8 * MIB, None, cast("asyncio.Transport", transport), 1)

        def fill() -> int:
            received = 0
            while transport.is_reading:
                received += (count := len(body.get_buffer(-1)))
                body.buffer_updated(count)
            return received

        assert fill() == 2 * PIECE_BYTES
        pieces = body.pieces()
        assert len(await anext(pieces)) == PIECE_BYTES
        assert fill() == PIECE_BYTES

    asyncio.run(work())
