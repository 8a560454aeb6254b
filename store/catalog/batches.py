"""Long lists of values, cut so that each piece fits one statement."""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING, Any, Final, TypeVar

from sqlalchemy import insert

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from sqlalchemy import Connection, Table

T = TypeVar("T")

# SQLite takes 32,766 variables in one statement; PostgreSQL as many bytes of parameters as this
# leaves room for.
BATCH: Final = 900


# Pairs are looked up as so many alternatives of one statement, each by an index.
PAIRS: Final = 100


def batches(items: Sequence[T], size: int = BATCH) -> Iterator[Sequence[T]]:
    """Cut ``items`` into runs that fit one statement."""
    for start in range(0, len(items), size):
        yield items[start : start + size]


def insert_rows(connection: Connection, table: Table, rows: Iterable[dict[str, Any]]) -> None:
    """Insert ``rows``, of which there may be very many: never are all of them in memory, and as the statement's parameters once more."""
    left = iter(rows)
    while some := list(islice(left, BATCH)):
        connection.execute(insert(table), some)
