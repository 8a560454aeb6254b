"""Connections to clients: the shared read buffer, and clients that close only one direction."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import TYPE_CHECKING, cast

from mirror.connections import connection
from mirror.connections.connection import BUFFER_BYTES, Connection

if TYPE_CHECKING:
    from aiohttp import web


class Protocol:
    """A protocol that keeps the bytes it receives, like aiohttp's parser."""

    def __init__(self) -> None:
        self.received: list[bytes] = []
        self.is_connected = False

    def connection_made(self, _transport: object) -> None:
        self.is_connected = True

    def connection_lost(self, _error: Exception | None) -> None:
        self.is_connected = False

    def data_received(self, data: bytes) -> None:
        self.received.append(data)


def test_read_bytes_survive_the_next_use_of_the_buffer() -> None:
    one, other = Protocol(), Protocol()
    buffer = memoryview(bytearray(BUFFER_BYTES))
    connections: set[Connection] = set()
    for protocol, data in ((one, b"this"), (other, b"that is longer"), (one, b"and")):
        connected = Connection(cast("web.RequestHandler", protocol), connections, buffer)
        connected.get_buffer(-1)[: len(data)] = data
        connected.buffer_updated(len(data))
    assert (one.received, other.received) == ([b"this", b"and"], [b"that is longer"])


def test_each_of_many_connections_reads_less() -> None:
    buffer = memoryview(bytearray(BUFFER_BYTES))
    connections: set[Connection] = set()
    connected = [
        Connection(cast("web.RequestHandler", Protocol()), connections, buffer)
        for _ in range(connection.SMALL_CROWD + 1)
    ]
    connections.update(connected[:-1])
    assert len(connected[0].get_buffer(-1)) == BUFFER_BYTES
    connections.add(connected[-1])
    assert len(connected[0].get_buffer(-1)) == connection._SMALL_BUFFER_BYTES


class Transport:
    """A transport, with or without TLS, that records whether it was closed."""

    def __init__(self, *, unsent_bytes: int = 0, tls: bool = False) -> None:
        self.is_closed = False
        self._unsent_bytes = unsent_bytes
        self._tls = tls

    def get_extra_info(self, name: str) -> object:
        return "context" if self._tls and name == "sslcontext" else None

    def get_write_buffer_size(self) -> int:
        return self._unsent_bytes

    def close(self) -> None:
        self.is_closed = True


def connect(transport: Transport, connections: set[Connection] | None = None) -> Connection:
    connected = Connection(
        cast("web.RequestHandler", Protocol()),
        set() if connections is None else connections,
        memoryview(bytearray(BUFFER_BYTES)),
    )
    connected.connection_made(cast("asyncio.Transport", transport))
    return connected


def request(*, is_complete: bool) -> web.Request:
    content = SimpleNamespace(is_eof=lambda: is_complete)
    return cast("web.Request", SimpleNamespace(content=content))


async def wait_for_the_end() -> None:
    await asyncio.sleep(2 * connection.END_DELAY_S)
    for _ in range(connection._LOOP_ROUNDS + 1):
        await asyncio.sleep(0)


def test_connection_is_registered_while_it_is_open() -> None:
    connections: set[Connection] = set()
    connected = connect(Transport(), connections)
    assert connections == {connected}
    connected.connection_lost(None)
    assert connections == set()
    assert (connected.is_answering, connected.unsent_bytes) == (False, 0)


def test_half_closed_connection_stays_open_for_its_answer() -> None:
    async def main() -> None:
        transport = Transport()
        connected = connect(transport)
        connected.begin_answer(request(is_complete=True))
        assert connected.eof_received()
        await wait_for_the_end()
        assert not transport.is_closed
        connected.end_answer()
        await wait_for_the_end()
        assert transport.is_closed

    asyncio.run(main())


def test_half_closed_connection_without_a_complete_request_is_closed() -> None:
    async def main() -> None:
        idle, broken = Transport(), Transport()
        connected = connect(broken)
        connected.begin_answer(request(is_complete=False))
        assert connected.is_receiving
        for one in (connected, connect(idle)):
            assert one.eof_received()
        await wait_for_the_end()
        assert (idle.is_closed, broken.is_closed) == (True, True)

    asyncio.run(main())


def test_end_of_tcp_ends_a_tls_connection() -> None:
    assert not connect(Transport(tls=True)).eof_received()


def test_connection_answers_until_every_byte_is_sent() -> None:
    connected = connect(Transport(unsent_bytes=7))
    assert (connected.is_answering, connected.unsent_bytes) == (True, 7)
    idle, busy = connect(Transport()), connect(Transport())
    busy.begin_answer(request(is_complete=True))
    assert (idle.is_answering, busy.is_answering, busy.is_receiving) == (False, True, False)
