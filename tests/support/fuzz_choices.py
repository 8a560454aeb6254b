"""Choices read from bytes, so that a fuzzer, which varies bytes, can steer a test.

After the last byte, every choice is the first option.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar, final

if TYPE_CHECKING:
    from collections.abc import Sequence

T = TypeVar("T")


@final
class Choices:
    """Choices read from ``data``; a change of one byte changes one choice and no later choice."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0

    def __bool__(self) -> bool:
        return self._at < len(self._data)

    def take(self, size: int) -> bytes:
        """Return the next ``size`` bytes, or fewer if fewer remain."""
        taken = self._data[self._at : self._at + size]
        self._at += len(taken)
        return taken

    def remaining(self) -> bytes:
        """Return all remaining bytes."""
        return self.take(len(self._data))

    def byte(self) -> int:
        """Return a number from 0 to 255."""
        taken = self.take(1)
        return taken[0] if taken else 0

    def below(self, limit: int) -> int:
        """Return a number from 0 to ``limit`` - 1, for limits up to 65,536."""
        if limit <= 1:
            return 0
        number = self.byte() if limit <= 256 else int.from_bytes(self.take(2), "big")
        return number % limit

    def pick(self, options: Sequence[T]) -> T:
        """Return an element of ``options``."""
        return options[self.below(len(options))]

    def flag(self) -> bool:
        """Return True or False."""
        return bool(self.byte() & 1)
