"""A fixed amount of memory for what is decoded on the way to clients, shared by all transfers.

A frame has to be decoded whole, so every transfer that decodes needs room for one. There is room for a few; who holds it longer than its turn while others
wait gives it back, and decodes the frame once more when it comes to turn again: a slow client costs a little work, and no memory.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final, Self, final

from store.ranged import BLOCK_BYTES

if TYPE_CHECKING:
    from collections.abc import Callable

TURN_S: Final = 1.0
"""Long enough for a frame to pass on a busy machine. What the kernel has taken of it goes on to the client when the turn is over."""


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
