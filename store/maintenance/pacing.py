"""The size of one write unit's work, so that waiting writers never wait long."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, TypeVar, final

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

T = TypeVar("T")

TARGET_S: Final = 0.04
"""How long the statements of one batch should take, in seconds.

That is less than half of what importers are promised: the commit is added to it, and rows differ in
cost.
"""

FIRST_BATCH: Final = 50
MIN_BATCH: Final = 25
"""Below this size the commits cost more than the rows: on a busy machine, fewer rows do not make a
transaction shorter."""

MAX_BATCH: Final = 500


@final
class BatchPacer:
    """Cuts work into batches, whose size follows from how long the last one took.

    Args:
        first: The size of the first batch.
    """

    def __init__(self, first: int = FIRST_BATCH) -> None:
        self.size = first

    def batches(self, items: Sequence[T]) -> Iterator[Sequence[T]]:
        """Yield all of ``items``, in order, in batches; call `note` after each."""
        start = 0
        while start < len(items):
            batch = items[start : start + self.size]
            start += len(batch)
            yield batch

    def note(self, items: int, seconds: float) -> None:
        """Adapt the size: grow slowly, shrink fast.

        Args:
            items: How many items the last batch had.
            seconds: How long it took.
        """
        if seconds > TARGET_S:
            self.size = max(MIN_BATCH, self.size // 2)
        elif items >= self.size:
            self.size = min(MAX_BATCH, self.size + self.size // 4 + 1)
