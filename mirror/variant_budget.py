"""The budget of variants that are made for clients that may only read.

The first request for a variant compresses the layers of an image and stores them. A client that may
push can make the server do such work anyway, so its requests are not limited. All other anonymous
clients share a budget, and the clients of each network have one, counted in bytes of plain layers.
Time fills the budgets again.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, final

from store.model.limits import GIB

if TYPE_CHECKING:
    from collections.abc import Callable

    from mirror.shared_times import SharedTimes

NETWORK_BYTES: Final = 4 * GIB
TOTAL_BYTES: Final = 16 * GIB
"""How many bytes of plain layers may be compressed at once for one network, and for all."""

FILL_S: Final = 2 * 3600.0
"""How long it takes until an empty budget is full again, in seconds."""

_ALL: Final = b"variants"


class BudgetSpent(Exception):
    """A variant is not made now, because earlier variants have used up the budget.

    Attributes:
        wait_s: After how many seconds the variant can be made.
    """

    def __init__(self, wait_s: float) -> None:
        super().__init__(f"no variant for {wait_s:.0f} seconds")
        self.wait_s = wait_s


@final
@dataclass(frozen=True, slots=True)
class Allowance:
    """The budget of one network.

    A budget is kept as the time at which it is full again.

    Args:
        times: The times at which budgets are full.
        now: Returns the time of a monotonic clock that all processes share, in seconds.
        network: The network of the client.
    """

    times: SharedTimes
    now: Callable[[], float]
    network: str

    def require(self, size_bytes: int = 1) -> None:
        """Raise unless layers may be compressed.

        Layers that are larger than a budget may be compressed when the budget is full.

        Args:
            size_bytes: The size of the plain layers, in bytes.

        Raises:
            BudgetSpent: The budget of the network, or the budget of all clients, is too small now.
        """
        now = self.now()
        wait_s = max(
            self.times.get(name) - now - FILL_S * (1 - min(size_bytes / full_bytes, 1))
            for name, full_bytes in self._budgets()
        )
        if wait_s > 0:
            raise BudgetSpent(wait_s)

    def spend(self, size_bytes: int) -> None:
        """Take the size of layers that are compressed next from both budgets.

        Args:
            size_bytes: The size of the plain layers, in bytes.

        Raises:
            BudgetSpent: The budget of the network, or the budget of all clients, is too small now.
        """
        if size_bytes == 0:
            return
        self.require(size_bytes)
        now = self.now()
        for name, full_bytes in self._budgets():
            self.times.add(name, now, FILL_S * size_bytes / full_bytes)

    def _budgets(self) -> tuple[tuple[bytes, int], ...]:
        network = self.network.encode("utf-8", "surrogateescape")
        return (b"%s of %s" % (_ALL, network), NETWORK_BYTES), (_ALL, TOTAL_BYTES)
