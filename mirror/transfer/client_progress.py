"""Detect a client that receives the bytes that the server sends too slowly, or not at all.

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

from mirror.transfer.body_deadline import BodyDeadline

if TYPE_CHECKING:
    from asyncio.trsock import TransportSocket

STALL_S: Final = 60.0
"""A client that receives no byte for this time is cut off, in seconds."""

MIN_BYTES_PER_S: Final = 1024.0
"""The lowest average rate of a client while bytes wait for it, in bytes per second.

The rate counts after `STALL_S`. Otherwise, a client could hold a connection for years with one byte
a minute.
"""

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
        self.restart()

    def restart(self) -> None:
        """Restart the measurement: the server has kept the client waiting."""
        self._progress_at = self._loop.time()
        self._pace = BodyDeadline(STALL_S, MIN_BYTES_PER_S, self._loop.time)

    def note(self, size_bytes: int) -> None:
        """Reset the stall timer, because the connection has taken bytes.

        The measurement of the pace restarts if no bytes waited for the client before.

        Args:
            size_bytes: The number of bytes that the connection has just taken.
        """
        if unconfirmed_bytes(self._connection) <= size_bytes:
            self.restart()
        else:
            self._progress_at = self._loop.time()

    def raise_if_stalled(self) -> None:
        """Raise if the client has received no byte for `STALL_S`, or is slower than the least pace.

        Raises:
            TimeoutError: The client has stalled, or is too slow.
        """
        confirmed = self._confirmed_bytes()
        if confirmed != self._confirmed:
            self._pace.extend(confirmed - self._confirmed)
            self._confirmed = confirmed
            self._progress_at = self._loop.time()
        elif self._loop.time() - self._progress_at >= STALL_S:
            raise TimeoutError(f"the client has received no byte for {STALL_S:g} s")
        if self._pace.patience_s <= 0:
            if unconfirmed_bytes(self._connection):
                raise TimeoutError(
                    f"the client receives fewer than {MIN_BYTES_PER_S:g} bytes a second"
                )
            # The client has received all bytes: the server was too slow.
            self.restart()

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
