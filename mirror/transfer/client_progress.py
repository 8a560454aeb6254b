"""Detect a client that has stopped receiving the bytes that the server sends.

Waiting for a writable socket is not enough. Linux reports a socket as writable only when a third of
its buffer is free, which may take more than a minute on a slow line. So the kernel is asked how
many bytes the client has confirmed.
"""

from __future__ import annotations

import asyncio
import fcntl
import socket
import struct
import sys
import termios
from typing import TYPE_CHECKING, Final, final

if TYPE_CHECKING:
    from asyncio.trsock import TransportSocket

STALL_S: Final = 60.0
"""A client that receives no byte for this time is cut off, in seconds."""

_CHECKS_PER_STALL: Final = 8
"""Checks per `STALL_S`; a stalled client is found at most one check late."""

_CONFIRMED: Final = struct.Struct("=120xQ")
"""``tcpi_bytes_acked`` of ``struct tcp_info`` (linux/tcp.h)."""

_INT_BYTES: Final = struct.calcsize("=i")


@final
class ClientProgress:
    """The stall timer of one client.

    Args:
        connection: The client's socket; None if it is unknown.
    """

    def __init__(self, connection: socket.socket | TransportSocket | None) -> None:
        self._connection = connection
        self._loop = asyncio.get_running_loop()
        self._confirmed = self._confirmed_bytes()
        self._progress_at = self._loop.time()

    def note(self) -> None:
        """Reset the stall timer: the client has received bytes, or the server had sent none."""
        self._progress_at = self._loop.time()

    def raise_if_stalled(self) -> None:
        """Raise if the client has received no byte for `STALL_S`.

        Raises:
            TimeoutError: The client has stalled.
        """
        confirmed = self._confirmed_bytes()
        if confirmed != self._confirmed:
            self._confirmed = confirmed
            self.note()
        elif self._loop.time() - self._progress_at >= STALL_S:
            raise TimeoutError(f"the client has received no byte for {STALL_S:g} s")

    def _confirmed_bytes(self) -> int:
        if sys.platform != "linux" or self._connection is None:
            return 0
        try:
            info = self._connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, _CONFIRMED.size)
        except OSError:
            return 0
        return int(_CONFIRMED.unpack(info)[0]) if len(info) == _CONFIRMED.size else 0


def unconfirmed_bytes(connection: socket.socket | TransportSocket | None) -> int:
    """Return how many bytes the client has not confirmed yet, including unsent bytes.

    The kernel counts the bytes in the socket's send queue (tcp(7), SIOCOUTQ).

    Args:
        connection: The client's socket; None if it is unknown.

    Returns:
        The number of bytes; 0 if the kernel cannot be asked.
    """
    if sys.platform != "linux" or connection is None or connection.fileno() < 0:
        return 0
    try:
        return int.from_bytes(
            fcntl.ioctl(connection.fileno(), termios.TIOCOUTQ, bytes(_INT_BYTES)), sys.byteorder
        )
    except OSError:
        return 0


def check_interval_s() -> float:
    """Return the time between two calls of `ClientProgress.raise_if_stalled`, in seconds."""
    return STALL_S / _CHECKS_PER_STALL
