"""Limit the memory for decoded blocks during their transfer, and for bodies not written yet.

A frame can only be decoded as a whole, so every transfer that decodes needs memory for one block.
All transfers share a few blocks. A transfer whose turn is over returns its block if another
transfer waits. In its next turn, the transfer decodes the frame again. So a slow client costs some
processor time, but no memory. Networks take turns, so a client with many transfers delays its own
transfers, and not those of other clients.
"""

from __future__ import annotations

import asyncio
import sys
from typing import TYPE_CHECKING, Final, Self, final

from mirror.current_client import current_client
from mirror.fair_queue import FairQueue
from store.content.blocks import BLOCK_BYTES

if TYPE_CHECKING:
    from collections.abc import Callable

TURN_S: Final = 1.0
"""How long a transfer may hold a block while others wait, in seconds.

This is enough to send a frame on a busy machine. Bytes in the kernel's buffer still reach the
client after the turn.
"""

IDLE_S: Final = 1.0
"""How long to keep unused memory, in seconds; the next blob of the image can use the memory."""


@final
class BlockMemory:
    """A fixed number of memory blocks, which are lent to the transfers of each network in turn.

    Args:
        blocks: The number of blocks, of `BLOCK_BYTES` each.
        turn_s: How long a transfer may hold a block while others wait, in seconds.
    """

    def __init__(self, blocks: int, *, turn_s: float = TURN_S) -> None:
        self._room = blocks
        self._free: list[bytearray] = []
        self._waiting = 0
        self._queue: FairQueue[asyncio.Future[None]] = FairQueue(sys.maxsize)
        self.turn_s = turn_s
        self.patience_s = turn_s / 4
        """How long to wait for a client before checking whether the turn is over, in seconds."""

    async def lend(self) -> Loan:
        """Wait for a free block, and return a context manager that gives the block back."""
        if self._room:
            self._room -= 1
        else:
            await self._wait_for_room()
        # The block that was used last is still in the processor's cache.
        buffer = self._free.pop() if self._free else bytearray(BLOCK_BYTES)
        return Loan(self, buffer, asyncio.get_running_loop().time)

    async def _wait_for_room(self) -> None:
        granted = asyncio.get_running_loop().create_future()
        self._queue.put(current_client().networks, granted)
        self._waiting += 1
        try:
            await granted
        except asyncio.CancelledError:
            if not granted.cancelled():
                # The block was granted in the same round of the loop in which the transfer ended.
                self._grant()
            raise
        finally:
            self._waiting -= 1

    def _grant(self) -> None:
        """Grant a block to the transfer whose turn it is."""
        while (granted := self._queue.take()) is not None:
            # A transfer that has ended left a cancelled future in the queue.
            if not granted.done():
                granted.set_result(None)
                return
        self._room += 1

    @property
    def is_crowded(self) -> bool:
        """Whether a transfer waits for a block."""
        return self._waiting > 0

    def take_back(self, buffer: bytearray) -> None:
        """Return the buffer of a block to the free blocks; only `Loan` calls this method."""
        self._free.append(buffer)
        self._grant()


@final
class Loan:
    """A context manager that lends a block to one transfer, and takes the block back at the end.

    Attributes:
        buffer: The memory of the block.
    """

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
        """Whether the turn is over and another transfer waits."""
        return self._memory.is_crowded and self._clock() - self._since >= self._memory.turn_s


@final
class BodyMemory:
    """The limit of received bytes in memory that are not written yet, for all bodies together.

    No body waits for another body: when the limit is reached, each body still has an equal share,
    so the total is at most twice the limit.

    Args:
        size_bytes: The limit for all bodies together.
        on_idle: Called when no body has been received for ``idle_s``; None to call nothing.
        idle_s: The time without a body before ``on_idle`` is called, in seconds.
    """

    def __init__(
        self,
        size_bytes: int,
        *,
        on_idle: Callable[[], object] | None = None,
        idle_s: float = IDLE_S,
    ) -> None:
        self.bodies = 0
        """The number of bodies that are being received."""
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
        """Cancel the pending call of ``on_idle``."""
        if self._idle is not None:
            self._idle.cancel()
            self._idle = None

    def share_bytes(self, max_bytes: int) -> int:
        """Return how many bytes one body may hold now, at most ``max_bytes``."""
        return (
            max_bytes
            if self.held_bytes < self._size_bytes
            else min(max_bytes, self._size_bytes // max(1, self.bodies))
        )
