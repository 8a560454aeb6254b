"""A splitter that keeps write units small, so that other writers never wait long."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, TypeVar, final

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

T = TypeVar("T")

TARGET_S: Final = 0.04
"""How long the statements of one batch should take, in seconds.

This is less than half of the longest wait that imports may have, because the commit takes more
time, and rows differ in cost.
"""

FIRST_BATCH: Final = 50
MIN_BATCH: Final = 25
"""The smallest batch. In smaller batches the commits cost more than the rows: on a busy machine,
fewer rows do not make a transaction shorter."""

MAX_BATCH: Final = 500


@final
class BatchPacer:
    """A splitter of work into batches. The time of each batch determines the size of the next.

    Args:
        first: How many items the first batch has.
        most: The largest number of items in a batch.
    """

    def __init__(self, first: int = FIRST_BATCH, most: int = MAX_BATCH) -> None:
        self.size = min(first, most)
        self._most = most

    def batches(self, items: Sequence[T]) -> Iterator[Sequence[T]]:
        """Yield ``items`` in batches. The caller calls `note` after each batch."""
        start = 0
        while start < len(items):
            batch = items[start : start + self.size]
            start += len(batch)
            yield batch

    def note(self, items: int, seconds: float) -> None:
        """Adapt the size of the next batch to the time of the last one: grow slowly, shrink fast.

        Args:
            items: How many items the last batch had.
            seconds: How long the last batch took.
        """
        if seconds > TARGET_S:
            self.size = max(MIN_BATCH, self.size // 2)
        elif items >= self.size:
            self.size = min(self._most, self.size + self.size // 4 + 1)
