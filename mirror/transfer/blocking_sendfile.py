"""Send files to fast clients; each client has a thread, which mostly sleeps in ``sendfile``.

On a blocking socket, one call sends many MiB. The kernel wakes the thread when the socket has room,
and neither the event loop nor the interpreter runs in between. This costs less than a call from the
event loop for each part. There are few threads, so a slow client loses its thread after a short
wait; `mirror.transfer.nonblocking_sendfile` then sends the remaining bytes.
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
"""How long a thread waits for room in a client's socket, in seconds.

The kernel may apply this timeout up to three times in one call.
"""

_CHECK_INTERVAL_S: Final = 1.0
"""The interval between two checks whether a connection is closed, in seconds."""

SENDFILE_BYTES: Final = 16 * MIB
"""Bytes per ``sendfile`` call."""

_TIMEVAL: Final = struct.Struct("@ll")


@final
class BlockingSendfile:
    """A pool of threads that send files.

    Args:
        count: The number of threads, and so the largest number of files that are sent at once.
    """

    def __init__(self, count: int) -> None:
        self._threads = ThreadPoolExecutor(max(1, count), thread_name_prefix="sendfile")
        self._count = count
        self._sending: set[Socket] = set()

    async def send(self, channel: Socket, source: int, start: int, stop: int) -> int:
        """Send a part of a file until the part ends or the client makes the thread wait.

        Args:
            channel: The plain connection to send through.
            source: The descriptor of the file.
            start: The offset of the part's first byte in the file.
            stop: The offset after the part's last byte.

        Returns:
            The offset after the last byte that was sent: ``start`` if no thread is free, ``stop``
            if the whole part was sent.

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
                # Closing the transport does not close the second socket, so it does not wake the
                # thread.
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
        """Close the connections of running transfers, and end the threads."""
        for channel in self._sending:
            channel.hang_up()
        self._threads.shutdown(cancel_futures=True)


@contextmanager
def _blocking(channel: Socket) -> Iterator[None]:
    """Make the socket blocking, and pause reading: a read by the loop would now block the loop."""
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
