"""Sending files to fast clients: each has a thread, which sleeps in ``sendfile`` most of the time.

With a blocking socket one call sends many MiB: the kernel wakes the thread when there is room, and
neither the event loop nor the interpreter runs in between. That is less work than waiting for each
turn. There are few threads, so a client that makes its thread wait gives the thread back: for slow
clients turns are cheap (`mirror.transfer.nonblocking_sendfile`).
"""

from __future__ import annotations

import asyncio
import os
import socket
import struct
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Final, final

from mirror.transfer.channels import require_bytes
from mirror.transfer.threads import finished
from store.model.limits import MIB

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mirror.transfer.channels import Socket

PATIENCE_S: Final = 0.1
"""How long a client may keep a thread waiting at a time, in seconds.

The kernel applies it up to three times in one call.
"""

_CHECK_INTERVAL_S: Final = 1.0
"""How often a closed connection is looked for, in seconds."""

SENDFILE_BYTES: Final = 16 * MIB
"""Bytes per ``sendfile`` call."""

_TIMEVAL: Final = struct.Struct("@ll")


@final
class BlockingSendfile:
    """Threads that send files.

    Args:
        count: How many threads there are, and so how many files are sent at once.
    """

    def __init__(self, count: int) -> None:
        self._threads = ThreadPoolExecutor(max(1, count), thread_name_prefix="sendfile")
        self._count = count
        self._sending: set[Socket] = set()

    async def send(self, channel: Socket, source: int, start: int, stop: int) -> int:
        """Send a part of a file until the client is slow.

        Args:
            channel: The connection.
            source: The descriptor of the file.
            start: Where the part begins, in bytes from the start of the file.
            stop: Where the part ends.

        Returns:
            How far it came: ``start`` if no thread is free, ``stop`` if everything was sent.

        Raises:
            OSError: The connection is closed, or the file cannot be read or ends early.
        """
        if len(self._sending) >= self._count:
            return start
        with _blocking(channel):
            return await self._send(channel, source, start, stop)

    async def _send(self, channel: Socket, source: int, start: int, stop: int) -> int:
        sending = asyncio.get_running_loop().run_in_executor(
            self._threads, _sendfile, channel, source, start, stop
        )
        self._sending.add(channel)
        try:
            while not (await asyncio.wait((sending,), timeout=_CHECK_INTERVAL_S))[0]:
                # Closing the transport does not close the second socket, so it wakes no thread.
                if not channel.is_open:
                    channel.hang_up()
            return sending.result()
        except asyncio.CancelledError:
            channel.hang_up()
            with suppress(OSError):
                await finished(sending)
            raise
        finally:
            self._sending.discard(channel)

    def close(self) -> None:
        """End the connections that are being sent to, and the threads."""
        for channel in self._sending:
            channel.hang_up()
        self._threads.shutdown(cancel_futures=True)


@contextmanager
def _blocking(channel: Socket) -> Iterator[None]:
    """Make the socket blocking, and keep the loop from reading from it, which would block too."""
    with channel.reading_paused():
        channel.own.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, _timeval(PATIENCE_S))
        os.set_blocking(channel.descriptor, True)
        try:
            yield
        finally:
            os.set_blocking(channel.descriptor, False)


def _timeval(seconds: float) -> bytes:
    whole = int(seconds)
    return _TIMEVAL.pack(whole, int((seconds - whole) * 1e6))


def _sendfile(channel: Socket, source: int, start: int, stop: int) -> int:
    while start < stop:
        asked = min(SENDFILE_BYTES, stop - start)
        try:
            sent = require_bytes(os.sendfile(channel.descriptor, source, start, asked))
        except BlockingIOError:
            break
        channel.note_sent(sent)
        start += sent
        if sent < asked:
            break
    return start
