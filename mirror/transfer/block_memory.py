"""A fixed amount of memory for what is decoded on the way to clients, shared by all transfers.

A frame has to be decoded whole, so every transfer that decodes needs room for one. There is room
for a few; who holds it longer than its turn while others wait gives it back, and decodes the frame
once more when it comes to turn again: a slow client costs a little work, and no memory.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final, Self, final

from store.content.blocks import BLOCK_BYTES

if TYPE_CHECKING:
    from collections.abc import Callable

TURN_S: Final = 1.0
"""Long enough for a frame to pass on a busy machine.

What the kernel has taken of it goes on to the client when the turn is over.
"""

IDLE_S: Final = 1.0
"""Images come blob after blob, and what one has used is of use to the next."""


@final
class BlockMemory:
    """Room for ``blocks`` blocks (`BLOCK_BYTES` each); whoever has waited longest comes next."""

    def __init__(self, blocks: int, *, turn_s: float = TURN_S) -> None:
        self._room = asyncio.Semaphore(blocks)
        self._free: list[bytearray] = []
        self._waiting = 0
        self.turn_s = turn_s
        """How long a block may be held while others wait."""
        self.patience_s = turn_s / 4
        """How long to wait for a client before looking whether the turn is over."""

    async def lend(self) -> Loan:
        """Room for one block, until the loan is left."""
        self._waiting += 1
        try:
            await self._room.acquire()
        finally:
            self._waiting -= 1
        # The one used last is the one that is in the processor's cache.
        buffer = self._free.pop() if self._free else bytearray(BLOCK_BYTES)
        return Loan(self, buffer, asyncio.get_running_loop().time)

    @property
    def is_crowded(self) -> bool:
        """Whether somebody waits for room."""
        return self._waiting > 0

    def take_back(self, buffer: bytearray) -> None:
        """For `Loan`."""
        self._free.append(buffer)
        self._room.release()


@final
class Loan:
    """A buffer, for a while."""

    def __init__(self, memory: BlockMemory, buffer: bytearray, clock: Callable[[], float]) -> None:
        self.buffer = buffer
        self._memory = memory
        self._clock = clock
        self._since = clock()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exc: object) -> None:
        self._memory.take_back(self.buffer)

    @property
    def is_due(self) -> bool:
        """Whether the turn is over and somebody else waits."""
        return self._memory.is_crowded and self._clock() - self._since >= self._memory.turn_s


@final
class BodyMemory:
    """Room for ``size_bytes`` of all bodies together that have come and are not written yet.

    Nobody waits for others: when it is full each body still has a share of it, so that it is twice
    as much at the worst.

    Args:
        on_idle: Called when no body has come for a while.
        idle_s: That while.
    """

    def __init__(
        self,
        size_bytes: int,
        *,
        on_idle: Callable[[], object] | None = None,
        idle_s: float = IDLE_S,
    ) -> None:
        self.bodies = 0
        """How many are coming."""
        self.held_bytes = 0
        self._size_bytes = size_bytes
        self._on_idle = on_idle
        self._idle_s = idle_s
        self._idle: asyncio.TimerHandle | None = None

    def __enter__(self) -> Self:
        self.bodies += 1
        self.close()
        return self

    def __exit__(self, *_exc: object) -> None:
        self.bodies -= 1
        if self.bodies == 0 and self._on_idle is not None:
            self._idle = asyncio.get_running_loop().call_later(self._idle_s, self._on_idle)

    def close(self) -> None:
        """Do nothing more when nothing comes."""
        if self._idle is not None:
            self._idle.cancel()
            self._idle = None

    def share_bytes(self, most_bytes: int) -> int:
        """What one body may hold, ``most_bytes`` at most."""
        return (
            most_bytes
            if self.held_bytes < self._size_bytes
            else min(most_bytes, self._size_bytes // max(1, self.bodies))
        )
