"""Whether a client goes on taking what it is sent.

That a socket takes more says little: Linux calls one writable when a third of its buffer is free,
which may be more than a slow line carries in a minute. So the kernel is asked what the other side
has confirmed.
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
"""A client that takes no byte for so long is gone."""

_LOOKS: Final = 8
"""Within that time: whoever stalls is found out an eighth of it later at most."""

_CONFIRMED: Final = struct.Struct("=120xQ")
"""``tcpi_bytes_acked`` of ``struct tcp_info`` (linux/tcp.h)."""

_INT_BYTES: Final = struct.calcsize("=i")


@final
class ClientProgress:
    """What the client at the other end of ``connection`` has taken, and when it last took something."""

    def __init__(self, connection: socket.socket | TransportSocket | None) -> None:
        self._connection = connection
        self._loop = asyncio.get_running_loop()
        self._confirmed = self._confirmed_bytes()
        self._moved_at = self._loop.time()

    def note(self) -> None:
        """It took something, or is not to blame that it did not."""
        self._moved_at = self._loop.time()

    def raise_if_stalled(self) -> None:
        """Raise TimeoutError when it has taken nothing for `STALL_S`."""
        confirmed = self._confirmed_bytes()
        if confirmed != self._confirmed:
            self._confirmed = confirmed
            self.note()
        elif self._loop.time() - self._moved_at >= STALL_S:
            raise TimeoutError(f"the client has taken nothing for {STALL_S:g} s")

    def _confirmed_bytes(self) -> int:
        if sys.platform != "linux" or self._connection is None:
            return 0
        try:
            information = self._connection.getsockopt(
                socket.IPPROTO_TCP, socket.TCP_INFO, _CONFIRMED.size
            )
        except OSError:
            return 0
        return int(_CONFIRMED.unpack(information)[0]) if len(information) == _CONFIRMED.size else 0


def unconfirmed_bytes(connection: socket.socket | TransportSocket | None) -> int:
    """What the kernel holds for the other side until it has confirmed it (tcp(7), SIOCOUTQ).

    0 where it cannot be asked.
    """
    if sys.platform != "linux" or connection is None or connection.fileno() < 0:
        return 0
    try:
        return int.from_bytes(
            fcntl.ioctl(connection.fileno(), termios.TIOCOUTQ, bytes(_INT_BYTES)), sys.byteorder
        )
    except OSError:
        return 0


def look_again_s() -> float:
    """How long to wait between two calls of `ClientProgress.raise_if_stalled`."""
    return STALL_S / _LOOKS
