"""Files to clients that have no lane: the loop gives each its turn when its socket takes more."""

from __future__ import annotations

import asyncio
import os
import sys
from contextlib import suppress
from typing import TYPE_CHECKING, Final, final

from mirror.transfer.channels import progress, settle
from mirror.transfer.client_progress import check_interval_s
from mirror.transfer.threads import finished
from store.model.limits import MIB

if TYPE_CHECKING:
    from concurrent.futures import Executor

    from mirror.transfer.channels import Socket

MAX_TURN_BYTES: Final = 2 * MIB
MIN_TURN_BYTES: Final = MIB // 2
_ROUND_BYTES: Final = 16 * MIB
"""When every socket has had its turn: the fewer there are, the more goes into each at once, and others never wait for long."""


@final
class NonblockingSendfile:
    """A part of a file on its way into a socket.

    The loop calls when the socket takes more; nothing else of it runs meanwhile, so that a turn
    costs little.

    What would have to come from the disk first is sent by a thread of ``pool``: a slow disk must
    not hold up the loop.
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

    async def take(self) -> None:
        """Send it all.

        Raises OSError; TimeoutError when the client takes nothing for
        `mirror.transfer.client_progress.STALL_S`.
        """
        self._watching = self._loop.call_later(check_interval_s(), self._watch)
        _taking_turns.add(self)
        self._loop.add_writer(self._channel.descriptor, self._writable)
        try:
            await self._done
        finally:
            _taking_turns.discard(self)
            self._loop.remove_writer(self._channel.descriptor)
            self._watching.cancel()
            if self._reading is not None:
                # It has our descriptors.
                with suppress(OSError):
                    await finished(self._reading)

    def _writable(self) -> None:
        if self._done.done():
            return
        size_bytes = min(_turn_bytes(), self._stop - self._start)
        try:
            if not is_at_hand(self._source, self._start, self._start + size_bytes):
                self._begin_reading(size_bytes)
                return
            with suppress(BlockingIOError):
                self._start += self._channel.send_some(self._source, self._start, size_bytes)
        except OSError as exc:
            self._fail(exc)
            return
        if self._start == self._stop:
            settle(self._done)

    def _begin_reading(self, size_bytes: int) -> None:
        self._channel.require_open()
        self._loop.remove_writer(self._channel.descriptor)
        self._reading = self._loop.run_in_executor(
            self._pool, os.sendfile, self._channel.descriptor, self._source, self._start, size_bytes
        )
        self._reading.add_done_callback(self._have_read)

    def _have_read(self, reading: asyncio.Future[int]) -> None:
        if self._done.done():
            return
        self._reading = None
        # It was not the client that kept us waiting.
        self._channel.taking.note()
        try:
            if reading.cancelled():
                raise ConnectionAbortedError("the server stops")
            with suppress(BlockingIOError):
                self._start += self._channel.count(progress(reading.result()))
        except OSError as exc:
            self._fail(exc)
            return
        if self._start == self._stop:
            settle(self._done)
        else:
            self._loop.add_writer(self._channel.descriptor, self._writable)

    def _watch(self) -> None:
        try:
            if self._reading is None:
                self._channel.require_open()
                self._channel.taking.raise_if_stalled()
        except OSError as exc:
            self._fail(exc)
        else:
            self._watching = self._loop.call_later(check_interval_s(), self._watch)

    def _fail(self, error: OSError) -> None:
        if not self._done.done():
            self._done.set_exception(error)


_taking_turns: Final[set[NonblockingSendfile]] = set()


def _turn_bytes() -> int:
    return min(MAX_TURN_BYTES, max(MIN_TURN_BYTES, _ROUND_BYTES // (len(_taking_turns) or 1)))


def is_at_hand(source: int, start: int, stop: int) -> bool:
    """Whether this part of the file ``source`` is in memory, judged by its ends, for files are read ahead in order; so it seems where nobody can tell."""
    if sys.platform != "linux":
        return True
    try:
        for position in (start, stop - 1):
            os.preadv(source, (bytearray(1),), position, os.RWF_NOWAIT)
    except BlockingIOError:
        return False
    except OSError:
        # Not every file system knows the flag.
        return True
    return True
