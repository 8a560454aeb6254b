"""The memory budget of decoders: their windows, dictionaries and seek tables together.

A decoder takes a lease for its memory before it allocates the memory. When the budget is used up,
idle holders of leases are asked to give their memory back. A holder is idle while its client reads,
for example. It decodes again from the beginning when it continues.
"""

from __future__ import annotations

import threading
import time
from collections import Counter
from typing import TYPE_CHECKING, Final, Self, final

from store.errors import Unavailable

if TYPE_CHECKING:
    from collections.abc import Callable


_LOOK_S: Final = 0.02
"""How often to look for memory: holders that become idle do not report it, in seconds."""


@final
class DecodersBusy(Unavailable):
    """The memory for decoders is in use, and was not given back in time."""


@final
class MemoryBudget:
    """The memory of all decoders together. Threads may share this object.

    One lease may exceed the budget if no other lease holds memory, so that all data can be decoded
    that the ceilings of the decoders allow.

    Args:
        size_bytes: The size of the budget.
        wait_s: How long a decoder waits for memory; None to wait until there is memory.
    """

    def __init__(self, size_bytes: int, *, wait_s: float | None = None) -> None:
        self._size_bytes = size_bytes
        self._wait_s = wait_s
        self._changed = threading.Condition()
        # In the order of their last use.
        self._leases: dict[MemoryLease, None] = {}

    @property
    def used_bytes(self) -> int:
        """The memory that leases hold now."""
        with self._changed:
            return self._used()

    def lease(self, owner: str = "", give_back: Callable[[], bool] | None = None) -> MemoryLease:
        """Return a lease that holds no memory yet.

        Args:
            owner: The client that the memory serves, such as its address. If the budget is used up,
                the client with the most memory gives memory back first.
            give_back: Frees the memory and releases the lease, if the holder is idle; returns
                whether it did. It is called from any thread, and must not wait. None for a holder
                that keeps its memory.
        """
        return MemoryLease(self, owner, give_back)

    def grow(self, lease: MemoryLease, size_bytes: int) -> None:
        """Let a lease hold at least ``size_bytes``; only `MemoryLease` calls this method.

        Raises:
            DecodersBusy: Other decoders need the memory.
        """
        deadline = None if self._wait_s is None else time.monotonic() + self._wait_s
        while True:
            with self._changed:
                self._leases.pop(lease, None)
                self._leases[lease] = None
                if self._fits(lease, size_bytes):
                    lease.size_bytes = max(lease.size_bytes, size_bytes)
                    return
                idle = self._idle(lease)
            # Without the lock, because a holder releases its lease.
            if any(one.give_back is not None and one.give_back() for one in idle):
                continue
            with self._changed:
                if self._fits(lease, size_bytes):
                    continue
                left_s = None if deadline is None else deadline - time.monotonic()
                if left_s is not None and left_s <= 0:
                    if not lease.size_bytes:
                        self._leases.pop(lease, None)
                    raise DecodersBusy(
                        "cannot decode now: other transfers use the memory for decoders",
                        hint="try again in a few seconds",
                    )
                lease.is_waiting = True
                self._changed.notify_all()
                try:
                    # Holders that become idle do not notify: look again soon.
                    self._changed.wait(_LOOK_S if left_s is None else min(_LOOK_S, left_s))
                finally:
                    lease.is_waiting = False

    def shrink(self, lease: MemoryLease) -> None:
        """Let a lease hold nothing; only `MemoryLease` calls this method."""
        with self._changed:
            lease.size_bytes = 0
            self._leases.pop(lease, None)
            self._changed.notify_all()

    def _used(self) -> int:
        return sum(one.size_bytes for one in self._leases)

    def _fits(self, lease: MemoryLease, size_bytes: int) -> bool:
        others = [one for one in self._leases if one is not lease and one.size_bytes]
        # If all other leases wait, none of them would ever give memory back.
        return (
            size_bytes <= lease.size_bytes
            or sum(one.size_bytes for one in others) + size_bytes <= self._size_bytes
            or all(one.is_waiting for one in others)
        )

    def _idle(self, lease: MemoryLease) -> list[MemoryLease]:
        """Return the leases that can give memory back, the best first."""
        held: Counter[str] = Counter()
        for one in self._leases:
            held[one.owner] += one.size_bytes
        # Sorting is stable: the leases of one owner stay in the order of their last use.
        return sorted(
            (
                one
                for one in self._leases
                if one is not lease and one.give_back is not None and one.size_bytes
            ),
            key=lambda one: -held[one.owner],
        )


@final
class MemoryLease:
    """The part of a budget that one decoder holds. A context manager that gives it back.

    Attributes:
        owner: The client that the memory serves.
        give_back: Frees the memory of an idle holder; None for a holder that keeps its memory.
        size_bytes: The memory that this lease holds.
        is_waiting: Whether a thread waits until this lease can grow.
    """

    def __init__(
        self, budget: MemoryBudget, owner: str, give_back: Callable[[], bool] | None
    ) -> None:
        self._budget = budget
        self.owner = owner
        self.give_back = give_back
        self.size_bytes = 0
        self.is_waiting = False

    def require(self, size_bytes: int) -> None:
        """Hold at least ``size_bytes``; wait if other decoders use the memory.

        Raises:
            DecodersBusy: Other decoders need the memory.
        """
        if size_bytes > self.size_bytes:
            self._budget.grow(self, size_bytes)

    def release(self) -> None:
        """Give all memory back."""
        if self.size_bytes:
            self._budget.shrink(self)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exc: object) -> None:
        self.release()
