"""Limit the memory for the manifests that clients are pushing.

A manifest is in memory as a whole until it is stored. If all of them together need too much memory,
the network that holds the most is cut off first.
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Final, final

from store.model.limits import MIB

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

INPUT_MEMORY_BYTES: Final = 64 * MIB
"""The limit for all pushed manifests of one process that are not being stored yet."""


@final
class Input:
    """The body of one request, as far as it has arrived."""

    __slots__ = ("_body", "_memory", "cut_off", "network", "size_bytes")

    def __init__(self, memory: InputMemory, network: str, cut_off: Callable[[], object]) -> None:
        self._memory = memory
        self._body = [bytearray()]
        self.network = network
        self.cut_off = cut_off
        self.size_bytes = 0

    def append(self, data: bytes) -> None:
        """Append bytes to the body. Other bodies, or this one, may be cut off.

        Raises:
            ConnectionResetError: This body was cut off.
        """
        if not self._body:
            raise ConnectionResetError("the memory for pushed manifests is in use")
        self._body[0] += data
        self.size_bytes += len(data)
        self._memory.note(self, len(data))

    def take(self) -> bytes:
        """Return the whole body, which is not cut off from now on. Any thread may call this.

        Raises:
            ConnectionResetError: This body was cut off while it waited.
        """
        try:
            return bytes(self._body.pop())
        except IndexError:
            raise ConnectionResetError("the memory for pushed manifests is in use") from None

    def drop(self) -> bool:
        """Free the bytes, and cut the client off; return False if the body was taken."""
        try:
            self._body.pop()
        except IndexError:
            return False
        self.cut_off()
        return True


@final
class InputMemory:
    """The bodies of requests that are in memory as a whole.

    Args:
        size_bytes: The limit for all bodies together.
    """

    def __init__(self, size_bytes: int = INPUT_MEMORY_BYTES) -> None:
        self.held_bytes = 0
        self._size_bytes = size_bytes
        self._inputs: dict[Input, None] = {}

    @contextmanager
    def hold(self, network: str, cut_off: Callable[[], object]) -> Iterator[Input]:
        """Hold a body while it arrives and waits to be stored.

        Args:
            network: The network of the client.
            cut_off: Closes the connection of the client; called if the memory is needed.

        Yields:
            The body, still empty.
        """
        held = Input(self, network, cut_off)
        self._inputs[held] = None
        try:
            yield held
        finally:
            self._forget(held)

    def note(self, held: Input, size_bytes: int) -> None:
        """Count bytes of a body; only `Input` calls this method."""
        if held in self._inputs:
            self.held_bytes += size_bytes
        while self.held_bytes > self._size_bytes and self._inputs:
            largest = self._largest()
            self._forget(largest)
            largest.drop()

    def _largest(self) -> Input:
        """Return the largest body of the network that holds the most."""
        by_network: dict[str, int] = {}
        for one in self._inputs:
            by_network[one.network] = by_network.get(one.network, 0) + one.size_bytes
        network = max(by_network, key=by_network.__getitem__)
        return max(
            (one for one in self._inputs if one.network == network), key=lambda one: one.size_bytes
        )

    def _forget(self, held: Input) -> None:
        if held in self._inputs:
            del self._inputs[held]
            self.held_bytes -= held.size_bytes
