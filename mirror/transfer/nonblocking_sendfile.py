"""Send files to slow clients; the loop sends a part whenever a client's socket has room."""

from __future__ import annotations

import asyncio
import os
import sys
from contextlib import suppress
from typing import TYPE_CHECKING, Final, final

from mirror.transfer.channels import require_bytes, set_ready
from mirror.transfer.client_progress import check_interval_s
from mirror.transfer.threads import finished
from store.model.limits import MIB

if TYPE_CHECKING:
    from concurrent.futures import Executor

    from mirror.transfer.channels import Socket

MAX_TURN_BYTES: Final = 2 * MIB
"""The upper limit of the bytes that are offered to one socket per turn."""

MIN_TURN_BYTES: Final = MIB // 2
"""The lower limit of the bytes that are offered to one socket per turn."""

_ROUND_BYTES: Final = 16 * MIB
"""Approximately the bytes that all sockets together are sent in one round.

The more sockets there are, the fewer bytes each turn has, so that no socket waits long.
"""


@final
class NonblockingSendfile:
    """One transfer, which sends a part of a file to a client in several turns.

    A turn is one callback of the loop, which costs less than a switch to a task. Bytes that are not
    in the page cache are sent by a thread of ``pool``, so that a slow disk does not block the loop.

    Args:
        channel: The plain connection to send through.
        pool: The threads that read from the disk.
        source: The descriptor of the file.
        start: The offset of the part's first byte in the file.
        stop: The offset after the part's last byte.
    """

    def __init__(self, channel: Socket, pool: Executor, source: int, start: int, stop: int) -> None:
        self._loop = asyncio.get_running_loop()
        self._channel = channel
        self._pool = pool
        self._source = source
        self._start = start
        self._stop = stop
        self._done: asyncio.Future[None] = self._loop.create_future()
        self._reading: asyncio.Future[int] | None = None

    async def send(self) -> None:
        """Send the whole part.

        Raises:
            ConnectionError: The connection is closed, or the file ends early.
            TimeoutError: The client has stalled.
            OSError: The file cannot be read.
        """
        self._watching = self._loop.call_later(check_interval_s(), self._watch)
        _sending.add(self)
        self._loop.add_writer(self._channel.descriptor, self._take_turn)
        try:
            await self._done
        finally:
            _sending.discard(self)
            self._loop.remove_writer(self._channel.descriptor)
            self._watching.cancel()
            if self._reading is not None:
                # The thread still uses the descriptors, which the caller is about to close.
                with suppress(OSError):
                    await finished(self._reading)

    def _take_turn(self) -> None:
        if self._done.done():
            return
        size_bytes = min(_turn_bytes(), self._stop - self._start)
        try:
            if not is_cached(self._source, self._start, self._start + size_bytes):
                self._begin_reading(size_bytes)
                return
            with suppress(BlockingIOError):
                self._start += self._channel.sendfile(self._source, self._start, size_bytes)
        except OSError as exc:
            self._fail(exc)
            return
        if self._start == self._stop:
            set_ready(self._done)

    def _begin_reading(self, size_bytes: int) -> None:
        self._channel.require_open()
        self._loop.remove_writer(self._channel.descriptor)
        self._reading = self._loop.run_in_executor(
            self._pool, os.sendfile, self._channel.descriptor, self._source, self._start, size_bytes
        )
        self._reading.add_done_callback(self._end_reading)

    def _end_reading(self, reading: asyncio.Future[int]) -> None:
        if self._done.done():
            return
        self._reading = None
        # The disk kept the client waiting, so the client has not stalled.
        self._channel.client.restart()
        try:
            if reading.cancelled():
                raise ConnectionAbortedError("the server is stopping")
            with suppress(BlockingIOError):
                self._start += self._channel.note_sent(require_bytes(reading.result()))
        except OSError as exc:
            self._fail(exc)
            return
        if self._start == self._stop:
            set_ready(self._done)
        else:
            self._loop.add_writer(self._channel.descriptor, self._take_turn)

    def _watch(self) -> None:
        try:
            if self._reading is None:
                self._channel.require_open()
                self._channel.client.raise_if_stalled()
        except OSError as exc:
            self._fail(exc)
        else:
            self._watching = self._loop.call_later(check_interval_s(), self._watch)

    def _fail(self, error: OSError) -> None:
        if not self._done.done():
            self._done.set_exception(error)


_sending: Final[set[NonblockingSendfile]] = set()


def _turn_bytes() -> int:
    return min(MAX_TURN_BYTES, max(MIN_TURN_BYTES, _ROUND_BYTES // (len(_sending) or 1)))


def is_cached(source: int, start: int, stop: int) -> bool:
    """Return whether a part of a file is in the kernel's page cache.

    Only the first and last byte are checked, because the kernel reads files ahead in order.

    Args:
        source: The descriptor of the file.
        start: The offset of the part's first byte in the file.
        stop: The offset after the part's last byte, greater than ``start``.

    Returns:
        Whether the part is cached; True if the operating system cannot tell.
    """
    if sys.platform != "linux":
        return True
    try:
        for position in (start, stop - 1):
            os.preadv(source, (bytearray(1),), position, os.RWF_NOWAIT)
    except BlockingIOError:
        return False
    except OSError:
        # Some file systems do not support the flag.
        return True
    return True
