"""The listener: it accepts connections on a shared socket, with or without TLS."""

from __future__ import annotations

import asyncio
import errno
import logging
from functools import partial
from typing import TYPE_CHECKING, Final, final

from mirror.connections.admission import MIN_AGE_S

if TYPE_CHECKING:
    import socket
    import ssl
    from collections.abc import Callable

    from mirror.connections.admission import Admission, Slot

logger = logging.getLogger(__name__)

BACKLOG: Final = 1024

_ACCEPTS_PER_ROUND: Final = 8
"""How many connections are accepted in one round of the loop, so that workers share the clients."""

_NO_RESOURCES: Final = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM})
_PAUSE_S: Final = 1.0
"""How long to accept no connections after the system had no descriptor or memory, in seconds."""


@final
class Listener:
    """A listener: it accepts connections on a socket that other processes may share.

    While this process has no room for another connection, it accepts none. The clients then wait in
    the kernel's queue, or another process accepts them.

    Args:
        bound: The listening socket, non-blocking; `close` closes it.
        protocol: Returns a new protocol for each connection. The protocol has to free the slot when
            the connection is lost.
        admission: The limits of the connections of this process.
    """

    def __init__(
        self,
        bound: socket.socket,
        protocol: Callable[[Slot], asyncio.BaseProtocol],
        admission: Admission,
    ) -> None:
        self._socket = bound
        self._protocol = protocol
        self._admission = admission
        self._context: ssl.SSLContext | None = None
        self._loop = asyncio.get_running_loop()
        self._is_open = False
        admission.on_room = self._resume

    def open(self, context: ssl.SSLContext | None) -> None:
        """Use a TLS context for new connections; open connections keep the context they have.

        A certificate authority can be added to a TLS context, but cannot be removed from it. A TLS
        session cannot be removed either, and a client may resume a session without showing a
        certificate again. So every renewal needs a new context.

        Args:
            context: The TLS context; None to accept connections without TLS.
        """
        self._context = context
        self._is_open = True
        self._resume()

    def close(self) -> None:
        """Accept no more connections; open connections stay open."""
        if self._is_open:
            self._pause()
        self._is_open = False
        self._socket.close()

    def _resume(self) -> None:
        if self._is_open:
            self._loop.add_reader(self._socket, self._accept)

    def _pause(self) -> None:
        self._loop.remove_reader(self._socket)

    def _pause_for(self, seconds: float) -> None:
        self._pause()
        self._loop.call_later(seconds, self._resume)

    def _accept(self) -> None:
        for _ in range(_ACCEPTS_PER_ROUND):
            if not self._admission.has_room():
                self._pause_for(MIN_AGE_S)
                return
            try:
                accepted, address = self._socket.accept()
            except (BlockingIOError, InterruptedError):
                return
            except ConnectionAbortedError:
                # The client has closed its connection already.
                continue
            except OSError as exc:
                if exc.errno not in _NO_RESOURCES:
                    raise
                logger.warning("cannot accept a connection: %s", exc.strerror)
                self._pause_for(_PAUSE_S)
                return
            slot = self._admission.enter(address[0] if address else None)
            if slot is None:
                accepted.close()
                continue
            accepted.setblocking(False)  # noqa: FBT003 - the standard library's signature
            connecting = self._loop.create_task(self._connect(accepted, slot))
            # The slot keeps the task alive.
            slot.close = connecting.cancel
            connecting.add_done_callback(partial(_close_if_cancelled, accepted))

    async def _connect(self, accepted: socket.socket, slot: Slot) -> None:
        """Pass a connection to its protocol; with TLS, this waits for the handshake."""
        try:
            await self._loop.connect_accepted_socket(
                lambda: self._protocol(slot), accepted, ssl=self._context
            )
        except BaseException as exc:
            accepted.close()
            slot.leave()
            if not isinstance(exc, OSError | asyncio.CancelledError):
                raise
            logger.debug("a connection failed: %s", exc)


def _close_if_cancelled(accepted: socket.socket, connecting: asyncio.Task[None]) -> None:
    """Close the socket of a task that was cancelled before it began."""
    if connecting.cancelled():
        accepted.close()
