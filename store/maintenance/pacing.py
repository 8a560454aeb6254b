"""How much one write transaction does, so that writers who wait for it never wait long."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, TypeVar, final

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

T = TypeVar("T")

TARGET_S: Final = 0.04
"""How long a piece should take, in seconds: less than half of what importers are promised, for the commit comes on top, and not every row costs the same."""

FIRST: Final = 50
MIN_BATCH: Final = 25
"""Below this the commits would cost more than the rows: on a machine that is busy, fewer rows do not make a transaction shorter."""

MAX_BATCH: Final = 500


@final
class BatchPacer:
    """Cuts work into pieces, the next one larger or smaller as the last one took too little or too much time."""

    def __init__(self, first: int = FIRST) -> None:
        self.size = first

    def pieces(self, items: Sequence[T]) -> Iterator[Sequence[T]]:
        """All of ``items``, in order; say `took` after each piece."""
        start = 0
        while start < len(items):
            piece = items[start : start + self.size]
            start += len(piece)
            yield piece

    def took(self, items: int, seconds: float) -> None:
        """``items`` of them took so long. Growing is slow, shrinking is fast."""
        if seconds > TARGET_S:
            self.size = max(MIN_BATCH, self.size // 2)
        elif items >= self.size:
            self.size = min(MAX_BATCH, self.size + self.size // 4 + 1)
