"""Long lists of values, cut so that each piece fits one statement."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, TypeVar

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

T = TypeVar("T")

# SQLite takes 32,766 variables in one statement; PostgreSQL as many bytes of parameters as this leaves room for.
BATCH: Final = 900


# Pairs are looked up as so many alternatives of one statement, each by an index.
PAIRS: Final = 100


def batches(items: Sequence[T], size: int = BATCH) -> Iterator[Sequence[T]]:
    """Cut ``items`` into runs that fit one statement."""
    for start in range(0, len(items), size):
        yield items[start : start + size]
