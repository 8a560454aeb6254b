"""Connections: their shared buffer, and half-closed clients."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from mirror.connections import connection
from mirror.connections.connection import BUFFER_BYTES, Connection

if TYPE_CHECKING:
    from aiohttp import web


class Protocol:
    """A protocol that keeps the bytes it gets, as the parser does."""

    def __init__(self) -> None:
        self.received: list[bytes] = []

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
