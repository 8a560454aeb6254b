"""Bodies on their way in: a thread hashes and writes what has come while more comes.

Neither waits for the other until it has to: between two threads of one interpreter each hand-over costs more than its work is worth
(docs/benchmarks/findings.md).
"""

from __future__ import annotations

import asyncio
from collections import deque
from typing import TYPE_CHECKING, Final, final

from mirror.threads import finished, run
from store.limits import MIB

if TYPE_CHECKING:
    from collections.abc import Callable
    from concurrent.futures import Executor

    from aiohttp import StreamReader

    from mirror.registry.pace import Pace

_PIECE_BYTES: Final = MIB
"""Worth waking a thread for."""
_AHEAD_BYTES: Final = 2 * MIB
"""What may have come of one body and not be written yet, beside what the connection holds (`READ_BYTES`)."""
_TURN_BYTES: Final = 16 * MIB
"""What a thread writes of one body before another has its turn."""

READ_BYTES: Final = MIB // 2
"""Of a connection's buffer, which takes in twice as much before the client has to wait."""


async def receive(body: StreamReader, pace: Pace, pool: Executor, write: Callable[[bytes], None], came: Callable[[int], None]) -> None:
    """Have all of ``body`` appended, however this ends: whatever has come counts, for the client may go on behind it.

    Args:
        body: What comes.
        pace: How long to wait for more.
        pool: Where ``write`` is called, in order, never twice at once.
        write: Appends.
        came: Told how many bytes have come.

    Raises:
        TimeoutError: The body stopped coming, or comes too slowly.
    """
    appending = _Appending(pool, write)
    pieces = body.iter_any()
    try:
        while True:
            async with asyncio.timeout(pace.patience_s):
                data = await anext(pieces, None)
            if data is None:
                return
            pace.came(len(data))
            came(len(data))
            await appending.take(data)
    finally:
        await appending.end()


@final
class _Appending:
    """What has come of a body and is not written yet. When something could not be written, nothing that came behind it is."""

    def __init__(self, pool: Executor, write: Callable[[bytes], None]) -> None:
        self._pool = pool
        self._write = write
        self._loop = asyncio.get_running_loop()
        self._pieces: deque[bytes] = deque()
        self._taken_bytes = 0
        self._written_bytes = 0
        self._is_awaited = False
        self._room = asyncio.Event()
        self._writing: asyncio.Task[None] | None = None

    @property
    def _ahead_bytes(self) -> int:
        return self._taken_bytes - self._written_bytes

    async def take(self, data: bytes) -> None:
        """Have ``data`` appended, soon. Raises what appending what came before has raised."""
        self._pieces.append(data)
        self._taken_bytes += len(data)
        self._continue(_PIECE_BYTES)
        while self._ahead_bytes > _AHEAD_BYTES:
            self._room.clear()
            # In this order: the thread looks at it after it has counted.
            self._is_awaited = True
            if self._ahead_bytes > _AHEAD_BYTES:
                await self._room.wait()
            self._is_awaited = False
            self._continue(_PIECE_BYTES)

    async def end(self) -> None:
        """Wait until all of it is appended. Raises as `take` does."""
        while self._pieces or self._writing is not None:
            self._continue(0)
            if self._writing is not None:
                await finished(self._writing)

    def _continue(self, least_bytes: int) -> None:
        """Have a thread write, if none does, there is enough, and nothing has failed."""
        if self._writing is not None and self._writing.done():
            self._writing.result()
            self._writing = None
        if self._writing is None and self._pieces and self._ahead_bytes >= least_bytes:
            self._writing = self._loop.create_task(run(self._pool, self._append))
            self._writing.add_done_callback(lambda _: self._room.set())

    def _append(self) -> None:
        """In a thread: write until nothing is left, or others have to have their turn."""
        until_bytes = self._written_bytes + _TURN_BYTES
        while self._pieces and self._written_bytes < until_bytes:
            piece = self._pieces.popleft()
            self._write(piece)
            self._written_bytes += len(piece)
            if self._is_awaited and self._ahead_bytes <= _AHEAD_BYTES:
                self._is_awaited = False
                self._loop.call_soon_threadsafe(self._room.set)
