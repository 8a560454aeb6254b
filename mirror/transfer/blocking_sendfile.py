"""Files to clients that keep up: a thread for each, asleep in ``sendfile`` most of the time.

A socket that blocks costs one call for many MiB: the kernel wakes the thread when there is room,
and neither the loop nor the interpreter is asked in between. That is less work than any server does
that waits for each turn. Threads are few, so a client that makes one wait gives it back: for such a
one turns are cheap.
"""

from __future__ import annotations

import asyncio
import os
import socket
import struct
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Final, final

from mirror.transfer.channels import progress
from mirror.transfer.threads import finished
from store.model.limits import MIB

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mirror.transfer.channels import Socket

PATIENCE_S: Final = 0.1
"""How long a client may keep a thread waiting at a time.

The kernel asks for it up to three times.
"""

_LOOK_AGAIN_S: Final = 1.0
"""How long a connection that was closed goes on at most."""

_LEAP_BYTES: Final = 16 * MIB
"""In one call."""

_TIMEVAL: Final = struct.Struct("@ll")


@final
class BlockingSendfile:
    """Threads for ``count`` files at once."""

    def __init__(self, count: int) -> None:
        self._threads = ThreadPoolExecutor(max(1, count), thread_name_prefix="sendfile")
        self._count = count
        self._fed: set[Socket] = set()

    async def feed(self, channel: Socket, source: int, start: int, stop: int) -> int:
        """Send the file ``source`` from ``start`` to before ``stop``; where that came to.

        It stops early when the client is slow, and does not begin when no lane is free. Raises
        OSError.
        """
        if len(self._fed) >= self._count:
            return start
        with _blocking(channel):
            return await self._feed(channel, source, start, stop)

    async def _feed(self, channel: Socket, source: int, start: int, stop: int) -> int:
        feeding = asyncio.get_running_loop().run_in_executor(
            self._threads, _feed, channel, source, start, stop
        )
        self._fed.add(channel)
        try:
            while not (await asyncio.wait((feeding,), timeout=_LOOK_AGAIN_S))[0]:
                # Whoever closes a transport knows of nobody else who has its connection.
                if not channel.is_open:
                    channel.hang_up()
            return feeding.result()
        except asyncio.CancelledError:
            channel.hang_up()
            with suppress(OSError):
                await finished(feeding)
            raise
        finally:
            self._fed.discard(channel)

    def close(self) -> None:
        """Hang up on whoever is still being sent something, and stop."""
        for channel in self._fed:
            channel.hang_up()
        self._threads.shutdown(cancel_futures=True)


@contextmanager
def _blocking(channel: Socket) -> Iterator[None]:
    """Meanwhile whoever writes into the socket waits for room.

    Nobody reads from it: the loop would wait as well.
    """
    with channel.unread():
        channel.own.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, _timeval(PATIENCE_S))
        os.set_blocking(channel.descriptor, True)
        try:
            yield
        finally:
            os.set_blocking(channel.descriptor, False)


def _timeval(seconds: float) -> bytes:
    whole = int(seconds)
    return _TIMEVAL.pack(whole, int((seconds - whole) * 1e6))


def _feed(channel: Socket, source: int, start: int, stop: int) -> int:
    while start < stop:
        asked = min(_LEAP_BYTES, stop - start)
        try:
            sent = channel.count(progress(os.sendfile(channel.descriptor, source, start, asked)))
        except BlockingIOError:
            break
        start += sent
        if sent < asked:
            break
    return start
