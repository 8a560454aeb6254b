"""A listener on a socket that several processes share."""

from __future__ import annotations

import asyncio
import socket
from typing import TYPE_CHECKING, cast

import uvloop

from mirror.connections.admission import Admission, ConnectionLimits
from mirror.connections.listener import Listener
from tests.support.certificates import make_certificate

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from mirror.connections.admission import Slot


def admission(limits: ConnectionLimits) -> Admission:
    return Admission(
        limits,
        network_of=str,
        is_exempt=lambda _address: False,
        clock=asyncio.get_running_loop().time,
    )


async def eventually(condition: Callable[[], bool]) -> None:
    """Wait until a condition holds. The clients are sockets without a loop, so no event tells."""
    async with asyncio.timeout(10):
        while not condition():  # noqa: ASYNC110
            await asyncio.sleep(0.001)


def test_renewed_listener_keeps_the_socket_and_its_waiting_clients(
    loop_factory: Callable[[], asyncio.AbstractEventLoop],
) -> None:
    connected: list[asyncio.Protocol] = []

    class Protocol(asyncio.Protocol):
        def connection_made(self, transport: asyncio.BaseTransport) -> None:
            connected.append(self)
            transport.close()

    async def main() -> None:
        bound = socket.create_server(("127.0.0.1", 0))
        bound.setblocking(False)  # noqa: FBT003 - the standard library's signature
        address = bound.getsockname()
        listener = Listener(bound, lambda _slot: Protocol(), admission(ConnectionLimits(10, 10)))
        # These clients wait in the kernel's queue until the listener opens.
        early = [socket.create_connection(address) for _ in range(2)]
        listener.open(None)
        listener.open(None)
        late = socket.create_connection(address)
        await eventually(lambda: len(connected) >= 3)
        for client in (*early, late):
            client.close()
        listener.close()
        await asyncio.sleep(0)
        try:
            socket.create_connection(address).close()
        except ConnectionRefusedError:
            return
        raise AssertionError("the listener still accepts connections")

    with asyncio.Runner(loop_factory=loop_factory) as runner:
        runner.run(main())


def test_a_full_listener_leaves_clients_in_the_queue(
    loop_factory: Callable[[], asyncio.AbstractEventLoop],
) -> None:
    slots: list[Slot] = []
    transports: list[asyncio.Transport] = []

    class Protocol(asyncio.Protocol):
        def __init__(self, slot: Slot) -> None:
            self._slot = slot
            slots.append(slot)

        def connection_made(self, transport: asyncio.BaseTransport) -> None:
            transports.append(cast("asyncio.Transport", transport))
            # Every connection has a request, so none can be closed.
            self._slot.begin_request()

        def connection_lost(self, exc: Exception | None) -> None:
            assert exc is None
            self._slot.leave()

    async def main() -> None:
        bound = socket.create_server(("127.0.0.1", 0))
        bound.setblocking(False)  # noqa: FBT003 - the standard library's signature
        limits = admission(ConnectionLimits(2, 2))
        listener = Listener(bound, Protocol, limits)
        listener.open(None)
        clients = []
        for number in range(1, 5):
            clients.append(socket.create_connection(bound.getsockname()))
            if number <= 2:
                await eventually(lambda: len(transports) == number)  # noqa: B023 - called at once
        try:
            for number in range(2, 5):
                await eventually(lambda: len(transports) >= number)  # noqa: B023 - called at once
                await asyncio.sleep(0.02)
                assert len(transports) == number
                transports[number - 2].close()
        finally:
            listener.close()
            for client in clients:
                client.close()
            await eventually(lambda: limits.count == 0)

    with asyncio.Runner(loop_factory=loop_factory) as runner:
        runner.run(main())


def test_a_silent_client_makes_room_even_during_its_handshake(tmp_path: Path) -> None:
    made: list[Slot] = []

    async def main() -> None:
        bound = socket.create_server(("127.0.0.1", 0))
        bound.setblocking(False)  # noqa: FBT003 - the standard library's signature
        limits = admission(ConnectionLimits(2, 2))

        def protocol(slot: Slot) -> asyncio.Protocol:
            made.append(slot)
            return asyncio.Protocol()

        listener = Listener(bound, protocol, limits)
        listener.open(make_certificate(tmp_path).context())
        clients = [socket.create_connection(bound.getsockname()) for _ in range(5)]
        try:
            await eventually(lambda: len(made) >= 5)
            assert limits.count == 2
            clients[0].settimeout(60)
            assert await asyncio.to_thread(clients[0].recv, 1) == b""
        finally:
            listener.close()
            for client in clients:
                client.close()
            await eventually(lambda: limits.count == 0)

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(main())
