"""Receive bodies; a thread hashes and writes bytes while the loop receives more bytes.

The thread and the loop wait for each other only when they must: within one interpreter, a switch
between two threads costs more than the work itself (docs/benchmarks/findings.md).
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
    from mirror.transfer.body_deadline import BodyDeadline

_WRITE_BYTES: Final = MIB
"""The number of queued bytes for which a thread is woken, and the size of one write.

After every write another thread may run, and the writing thread has to wait for the interpreter.
"""
_UNWRITTEN_BYTES: Final = 2 * MIB
"""Bytes of one body that may wait to be written, besides its connection's buffer (`READ_BYTES`)."""
_TURN_BYTES: Final = 16 * MIB
"""Bytes of one body that a thread writes before it serves another body."""
_PAUSE_S: Final = 0.2
"""After a pause of this length, all received bytes are written, to free memory; in seconds."""

READ_BYTES: Final = MIB // 16
"""The size of a connection's buffer; reading pauses when twice this size is exceeded."""
_WIDE_READ_BYTES: Final = MIB // 2
"""The size of a connection's buffer while few bodies arrive; large buffers cause fewer pauses."""
SMALL_CROWD: Final = 8
"""Up to this number of bodies, each buffer has the size `_WIDE_READ_BYTES`."""


async def receive(
    body: StreamReader,
    deadline: BodyDeadline,
    pool: Executor,
    memory: BodyMemory,
    write: Callable[[bytes], None],
    on_received: Callable[[int], None],
) -> None:
    """Receive a body, and write its bytes in the order in which they arrive.

    If the body ends early, the received bytes are still written, because the client may resume the
    upload after these bytes.

    Args:
        body: The stream of the request's body.
        deadline: The deadline of the body; extended here with every read.
        pool: The threads that run ``write``; one body has one call at a time.
        memory: The limit of bytes in memory for all bodies together.
        write: Appends bytes to the upload.
        on_received: Called with the number of bytes of each read.

    Raises:
        TimeoutError: The client has paused for too long, or sends too slowly.
        StoreError: ``write`` refuses the bytes or cannot write them.
    """
    with memory:
        if memory.bodies <= SMALL_CROWD:
            body.set_read_chunk_size(_WIDE_READ_BYTES)
        appender = _Appender(pool, memory, write)
        try:
            while data := await _next(body, deadline, appender):
                deadline.extend(len(data))
                on_received(len(data))
                await appender.append(data)
        finally:
            await appender.finish()


async def _next(body: StreamReader, deadline: BodyDeadline, appender: _Appender) -> bytes:
    """Return the next bytes of the body, or no bytes at its end.

    Raises:
        TimeoutError: No byte arrives before the deadline.
    """
    if appender.is_behind:
        with suppress(TimeoutError):
            async with asyncio.timeout(min(_PAUSE_S, deadline.patience_s)):
                return await body.readany()
        appender.flush()
    async with asyncio.timeout(deadline.patience_s):
        return await body.readany()


@final
class _Appender:
    """The queue of received bytes of one body that are not written yet.

    After a failed write, no further bytes are written.
    """

    def __init__(self, pool: Executor, memory: BodyMemory, write: Callable[[bytes], None]) -> None:
        self._pool = pool
        self._memory = memory
        self._write = write
        self._loop = asyncio.get_running_loop()
        self._pieces: deque[bytes] = deque()
        self._received_bytes = 0
        self._written_bytes = 0
        self._accounted_bytes = 0
        self._is_awaited = False
        self._has_room = asyncio.Event()
        self._writing: asyncio.Task[None] | None = None

    @property
    def is_behind(self) -> bool:
        """Whether received bytes are not written yet."""
        return self._held_bytes > 0

    @property
    def _held_bytes(self) -> int:
        return self._received_bytes - self._written_bytes

    @property
    def _is_full(self) -> bool:
        """Whether the queue has used up this body's share of the memory."""
        return self._held_bytes > self._memory.share_bytes(_UNWRITTEN_BYTES)

    async def append(self, data: bytes) -> None:
        """Queue bytes, and wait while the queue is full.

        Raises:
            StoreError: An earlier write failed.
        """
        self._pieces.append(data)
        self._received_bytes += len(data)
        self._account()
        self._start_writing()
        while self._is_full:
            self._has_room.clear()
            # Set the flag before the check: the thread checks the flag after it has counted.
            self._is_awaited = True
            if self._is_full:
                await self._has_room.wait()
            self._is_awaited = False
            self._account()
            self._start_writing()

    def flush(self) -> None:
        """Start to write all queued bytes.

        Raises:
            StoreError: An earlier write failed.
        """
        self._start_writing(min_bytes=0)

    async def finish(self) -> None:
        """Wait until all queued bytes are written.

        Raises:
            StoreError: A write failed.
        """
        try:
            while self._pieces or self._writing is not None:
                self._start_writing(min_bytes=0)
                if self._writing is not None:
                    await finished(self._writing)
        finally:
            # After a failed write, drop the bytes that remain in the queue.
            self._pieces.clear()
            self._written_bytes = self._received_bytes
            self._account()

    def _account(self) -> None:
        held_bytes = self._held_bytes
        self._memory.held_bytes += held_bytes - self._accounted_bytes
        self._accounted_bytes = held_bytes

    def _start_writing(self, *, min_bytes: int | None = None) -> None:
        """Have a thread write, unless one is writing already or too few bytes are queued.

        Args:
            min_bytes: The number of queued bytes that is enough; None for the usual number.

        Raises:
            StoreError: An earlier write failed.
        """
        if min_bytes is None:
            # No more than this body's share: a full queue has to be written.
            min_bytes = self._memory.share_bytes(_WRITE_BYTES)
        if self._writing is not None and self._writing.done():
            self._writing.result()
            self._writing = None
        if self._writing is None and self._pieces and self._held_bytes >= min_bytes:
            self._writing = self._loop.create_task(run(self._pool, self._write_queued))
            self._writing.add_done_callback(self._on_written)

    def _on_written(self, _writing: object) -> None:
        self._account()
        self._has_room.set()

    def _write_queued(self) -> None:
        """Write until the queue is empty or the turn is over; called in a thread."""
        stop_bytes = self._written_bytes + _TURN_BYTES
        while self._pieces and self._written_bytes < stop_bytes:
            data = self._gather()
            self._write(data)
            self._written_bytes += len(data)
            if self._is_awaited and not self._is_full:
                self._is_awaited = False
                self._loop.call_soon_threadsafe(self._has_room.set)

    def _gather(self) -> bytes:
        """Take the bytes for one write from the queue, and join them.

        Python lets other threads run while it joins as many bytes as one write has.
        """
        gathered = [self._pieces.popleft()]
        size_bytes = len(gathered[0])
        while self._pieces and size_bytes < _WRITE_BYTES:
            gathered.append(self._pieces.popleft())
            size_bytes += len(gathered[-1])
        return b"".join(gathered)
