"""The listener: it accepts connections on a shared socket, with or without TLS."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final, final

if TYPE_CHECKING:
    import socket
    import ssl
    from collections.abc import Callable

BACKLOG: Final = 1024


@final
class Listener:
    """The acceptor of connections in this process, on a socket that other processes may share.

    Args:
        bound: The listening socket, non-blocking; `close` closes it.
        protocol: Returns a new protocol for each connection.
    """

    def __init__(self, bound: socket.socket, protocol: Callable[[], asyncio.BaseProtocol]) -> None:
        self._socket = bound
        self._protocol = protocol
        self._server: asyncio.Server | None = None

    async def open(self, context: ssl.SSLContext | None) -> None:
        """Accept new connections with a TLS context; open connections keep their context.

        An authority can be added to a context, but it cannot be removed, and neither can the
        sessions that clients may resume without a certificate. So every renewal needs a new context
        and a new server on the same socket. The kernel's queue belongs to the socket, so no waiting
        client is lost.

        Args:
            context: The TLS context; None to accept connections without TLS.
        """
        loop = asyncio.get_running_loop()
        previous = self._server
        self._server = await loop.create_server(
            self._protocol, sock=self._socket.dup(), ssl=context, backlog=BACKLOG
        )
        if previous is not None:
            previous.close()

    def close(self) -> None:
        """Accept no more connections; open connections stay open."""
        if self._server is not None:
            self._server.close()
        self._socket.close()
