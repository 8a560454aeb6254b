"""What a connection reads, and where to."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from mirror.connections import connection
from mirror.connections.connection import BUFFER_BYTES, Connection

if TYPE_CHECKING:
    from aiohttp import web


class Protocol:
    """Keeps what it is given, as the parser does."""

    def __init__(self) -> None:
        self.came: list[bytes] = []

    def data_received(self, data: bytes) -> None:
        self.came.append(data)


def test_what_is_read_stays_when_the_buffer_is_used_for_another() -> None:
    one, other = Protocol(), Protocol()
    buffer = memoryview(bytearray(BUFFER_BYTES))
    connections: set[Connection] = set()
    for protocol, said in ((one, b"this"), (other, b"that is longer"), (one, b"and")):
        connected = Connection(cast("web.RequestHandler", protocol), connections, buffer)
        connected.get_buffer(-1)[: len(said)] = said
        connected.buffer_updated(len(said))
    assert (one.came, other.came) == ([b"this", b"and"], [b"that is longer"])


def test_one_of_many_reads_less_at_once() -> None:
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
