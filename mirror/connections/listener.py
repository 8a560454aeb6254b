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
    """A listener: it accepts connections on a socket that other processes may share.

    Args:
        bound: The listening socket, non-blocking; `close` closes it.
        protocol: Returns a new protocol for each connection.
    """

    def __init__(self, bound: socket.socket, protocol: Callable[[], asyncio.BaseProtocol]) -> None:
        self._socket = bound
        self._protocol = protocol
        self._server: asyncio.Server | None = None

    async def open(self, context: ssl.SSLContext | None) -> None:
        """Use a TLS context for new connections; open connections keep the context they have.

        A certificate authority can be added to a TLS context, but cannot be removed from it. A TLS
        session cannot be removed either, and a client may resume a session without showing a
        certificate again. So every renewal needs a new context, and a new server on the same
        socket. Clients that wait for a connection are not lost, because the kernel's queue belongs
        to the socket.

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
