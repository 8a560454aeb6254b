"""Bytes read as a row of choices: how a fuzzer that knows bytes steers a test that wants values.

When they are used up, every choice is the first.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar, final

if TYPE_CHECKING:
    from collections.abc import Sequence

T = TypeVar("T")


@final
class Choices:
    """Takes choices from the front of ``data``, so that a changed byte changes one of them and not all that follow."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0

    def __bool__(self) -> bool:
        return self._at < len(self._data)

    def take(self, size: int) -> bytes:
        """Up to ``size`` of the bytes themselves."""
        taken = self._data[self._at : self._at + size]
        self._at += len(taken)
        return taken

    def rest(self) -> bytes:
        """All that is left."""
        return self.take(len(self._data))

    def byte(self) -> int:
        """0 to 255."""
        taken = self.take(1)
        return taken[0] if taken else 0

    def below(self, limit: int) -> int:
        """0 to ``limit`` - 1, for limits up to 65,536."""
        if limit <= 1:
            return 0
        number = self.byte() if limit <= 256 else int.from_bytes(self.take(2), "big")
        return number % limit

    def one(self, options: Sequence[T]) -> T:
        """One of them."""
        return options[self.below(len(options))]

    def yes(self) -> bool:
        """Whether."""
        return bool(self.byte() & 1)
