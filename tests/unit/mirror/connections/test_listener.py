"""A listener on a socket that several processes share."""

from __future__ import annotations

import asyncio
import socket

import uvloop

from mirror.connections.listener import Listener


def test_renewed_listener_keeps_the_socket_and_its_waiting_clients() -> None:
    connected: list[asyncio.Protocol] = []

    class Protocol(asyncio.Protocol):
        def connection_made(self, transport: asyncio.BaseTransport) -> None:
            connected.append(self)
            transport.close()

    async def main() -> None:
        bound = socket.create_server(("127.0.0.1", 0))
        bound.setblocking(False)  # noqa: FBT003 - the standard library's signature
        address = bound.getsockname()
        listener = Listener(bound, Protocol)
        # These clients wait in the kernel's queue until the listener opens.
        early = [socket.create_connection(address) for _ in range(2)]
        await listener.open(None)
        await listener.open(None)
        late = socket.create_connection(address)
        async with asyncio.timeout(60):
            while len(connected) < 3:  # noqa: ASYNC110 - the clients are sockets without a loop
                await asyncio.sleep(0.01)
        for client in (*early, late):
            client.close()
        listener.close()
        await asyncio.sleep(0)
        try:
            socket.create_connection(address).close()
        except ConnectionRefusedError:
            return
        raise AssertionError("the listener still accepts connections")

    # Use the server's loop, because asyncio's own loop loses clients that it accepts while a server
    # closes.
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(main())
