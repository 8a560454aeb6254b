"""Limit the memory and the time for heads of requests that have not arrived completely."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Protocol, final

from store.model.limits import MIB

if TYPE_CHECKING:
    from collections.abc import Hashable

HEAD_TIMEOUT_S: Final = 30.0
"""The time from the first bytes of a head to its last bytes, in seconds."""

HEAD_MEMORY_BYTES: Final = 32 * MIB
"""The limit for all incomplete heads of one process."""


class Sender(Protocol):
    """A connection whose client is sending a head."""

    @property
    def network(self) -> Hashable:
        """The network of the client."""

    def cut_off(self) -> None:
        """Close the connection at once."""


@final
class IncompleteHeads:
    """The heads of one process that are incomplete.

    Args:
        memory_bytes: The limit for all heads together. Beyond it, the largest head of the network
            that holds the most is cut off.
    """

    def __init__(self, memory_bytes: int = HEAD_MEMORY_BYTES) -> None:
        self.held_bytes = 0
        self._memory_bytes = memory_bytes
        self._sizes: dict[Sender, int] = {}

    def note(self, sender: Sender, size_bytes: int) -> None:
        """Count bytes of an incomplete head. This head or other heads may be cut off.

        Args:
            sender: The connection that sent the bytes.
            size_bytes: How many bytes it sent.
        """
        self._sizes[sender] = self._sizes.get(sender, 0) + size_bytes
        self.held_bytes += size_bytes
        while self.held_bytes > self._memory_bytes:
            largest = self._largest()
            self.forget(largest)
            largest.cut_off()

    def forget(self, sender: Sender) -> None:
        """Free the bytes of a head that is complete, or whose connection is closed."""
        self.held_bytes -= self._sizes.pop(sender, 0)

    def _largest(self) -> Sender:
        by_network: dict[Hashable, int] = {}
        for sender, size in self._sizes.items():
            by_network[sender.network] = by_network.get(sender.network, 0) + size
        network = max(by_network, key=by_network.__getitem__)
        return max(
            (sender for sender in self._sizes if sender.network == network),
            key=self._sizes.__getitem__,
        )
