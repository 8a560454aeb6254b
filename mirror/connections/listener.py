"""The door that connections come in by: a listening socket, and the TLS that they get."""

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
    """Lets connections in, in the process that opens it. Others may have doors on the same socket.

    Args:
        listener: What listens, and does not block; closed with the door.
        protocol: Makes what looks after a connection.
    """

    def __init__(
        self, listener: socket.socket, protocol: Callable[[], asyncio.BaseProtocol]
    ) -> None:
        self._listener = listener
        self._protocol = protocol
        self._server: asyncio.Server | None = None

    async def open(self, context: ssl.SSLContext | None) -> None:
        """Let connections in; from now on they get this TLS, or none.

        Those that are open keep what they have.

        A context can be told of more authorities, and of none that it should forget; nor does it
        forget whose sessions may be taken up again without showing a certificate. So there is a new
        one for every renewal, and a new server on the same socket: the kernel's queue is the
        socket's, nobody in it is lost.
        """
        loop = asyncio.get_running_loop()
        before = self._server
        self._server = await loop.create_server(
            self._protocol, sock=self._listener.dup(), ssl=context, backlog=BACKLOG
        )
        if before is not None:
            before.close()

    def close(self) -> None:
        """Let nobody in any more; who is in may stay."""
        if self._server is not None:
            self._server.close()
        self._listener.close()
