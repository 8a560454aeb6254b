"""Bodies on their way in: a thread hashes and writes what has come while more comes.

Neither waits for the other until it has to: between two threads of one interpreter each hand-over
costs more than its work is worth (docs/benchmarks/findings.md).
"""

from __future__ import annotations

import asyncio
from collections import deque
from contextlib import suppress
from typing import TYPE_CHECKING, Final, final

from mirror.transfer.threads import finished, run
from store.model.limits import MIB

if TYPE_CHECKING:
    from collections.abc import Callable
    from concurrent.futures import Executor

    from aiohttp import StreamReader

    from mirror.transfer.block_memory import BodyMemory
    from mirror.transfer.body_pace import BodyDeadline

_PIECE_BYTES: Final = MIB
"""Worth waking a thread for, and hashed and written in one call: every call lets the other thread in and has to get the interpreter back."""
_AHEAD_BYTES: Final = 2 * MIB
"""What may have come of one body and not be written yet, beside what the connection holds (`READ_BYTES`)."""
_TURN_BYTES: Final = 16 * MIB
"""What a thread writes of one body before another has its turn."""
_PAUSE_S: Final = 0.2
"""A body that has stopped for so long is written as far as it has come: what a slow client has sent is kept on the disk and not in memory."""

READ_BYTES: Final = MIB // 16
"""Of a connection's buffer, which takes in twice as much and one read more before the client has to wait."""
_WIDE_BYTES: Final = MIB // 2
"""The same where few bodies come: stopping and starting takes time."""
SMALL_CROWD: Final = 8


async def receive(
    body: StreamReader,
    pace: BodyDeadline,
    pool: Executor,
    ahead: BodyMemory,
    write: Callable[[bytes], None],
    came: Callable[[int], None],
) -> None:
    """Have all of ``body`` appended, however this ends.

    Whatever has come counts, for the client may go on behind it.

    Args:
        body: What comes.
        pace: How long to wait for more.
        pool: Where ``write`` is called, in order, never twice at once.
        ahead: What all bodies together may hold in memory.
        write: Appends.
        came: Told how many bytes have come.

    Raises:
        TimeoutError: The body stopped coming, or comes too slowly.
    """
    with ahead:
        if ahead.bodies <= SMALL_CROWD:
            body.set_read_chunk_size(_WIDE_BYTES)
        appending = _Appending(pool, ahead, write)
        try:
            while data := await _more(body, pace, appending):
                pace.came(len(data))
                came(len(data))
                await appending.take(data)
        finally:
            await appending.end()


async def _more(body: StreamReader, pace: BodyDeadline, appending: _Appending) -> bytes:
    """What comes next; nothing at the end. Raises TimeoutError."""
    if appending.is_behind:
        with suppress(TimeoutError):
            async with asyncio.timeout(min(_PAUSE_S, pace.patience_s)):
                return await body.readany()
        appending.flush()
    async with asyncio.timeout(pace.patience_s):
        return await body.readany()


@final
class _Appending:
    """What has come of a body and is not written yet.

    When something could not be written, nothing that came behind it is.
    """

    def __init__(self, pool: Executor, ahead: BodyMemory, write: Callable[[bytes], None]) -> None:
        self._pool = pool
        self._ahead = ahead
        self._write = write
        self._loop = asyncio.get_running_loop()
        self._pieces: deque[bytes] = deque()
        self._taken_bytes = 0
        self._written_bytes = 0
        self._accounted_bytes = 0
        self._is_awaited = False
        self._room = asyncio.Event()
        self._writing: asyncio.Task[None] | None = None

    @property
    def is_behind(self) -> bool:
        """Whether something is not written yet."""
        return self._held_bytes > 0

    @property
    def _held_bytes(self) -> int:
        return self._taken_bytes - self._written_bytes

    @property
    def _is_full(self) -> bool:
        """Whether the client has to wait."""
        return self._held_bytes > self._ahead.share_bytes(_AHEAD_BYTES)

    async def take(self, data: bytes) -> None:
        """Have ``data`` appended, soon. Raises what appending what came before has raised."""
        self._pieces.append(data)
        self._taken_bytes += len(data)
        self._account()
        self._continue()
        while self._is_full:
            self._room.clear()
            # In this order: the thread looks at it after it has counted.
            self._is_awaited = True
            if self._is_full:
                await self._room.wait()
            self._is_awaited = False
            self._account()
            self._continue()

    def flush(self) -> None:
        """Have all of it written now. Raises as `take` does."""
        self._continue(least_bytes=0)

    async def end(self) -> None:
        """Wait until all of it is appended. Raises as `take` does."""
        try:
            while self._pieces or self._writing is not None:
                self._continue(least_bytes=0)
                if self._writing is not None:
                    await finished(self._writing)
        finally:
            # What could not be written is not in memory any more either.
            self._pieces.clear()
            self._written_bytes = self._taken_bytes
            self._account()

    def _account(self) -> None:
        held_bytes = self._held_bytes
        self._ahead.held_bytes += held_bytes - self._accounted_bytes
        self._accounted_bytes = held_bytes

    def _continue(self, *, least_bytes: int | None = None) -> None:
        """Have a thread write, if none does, there is enough, and nothing has failed."""
        if least_bytes is None:
            # Never more than it may hold: what waits for room has to be written.
            least_bytes = self._ahead.share_bytes(_PIECE_BYTES)
        if self._writing is not None and self._writing.done():
            self._writing.result()
            self._writing = None
        if self._writing is None and self._pieces and self._held_bytes >= least_bytes:
            self._writing = self._loop.create_task(run(self._pool, self._append))
            self._writing.add_done_callback(self._paused)

    def _paused(self, _writing: object) -> None:
        self._account()
        self._room.set()

    def _append(self) -> None:
        """In a thread: write until nothing is left, or others have to have their turn."""
        until_bytes = self._written_bytes + _TURN_BYTES
        while self._pieces and self._written_bytes < until_bytes:
            data = self._gathered()
            self._write(data)
            self._written_bytes += len(data)
            if self._is_awaited and not self._is_full:
                self._is_awaited = False
                self._loop.call_soon_threadsafe(self._room.set)

    def _gathered(self) -> bytes:
        """Take pieces out, as many as one call is for.

        The interpreter is free while so many bytes are copied.
        """
        gathered = [self._pieces.popleft()]
        size_bytes = len(gathered[0])
        while self._pieces and size_bytes < _PIECE_BYTES:
            gathered.append(self._pieces.popleft())
            size_bytes += len(gathered[-1])
        return b"".join(gathered)
