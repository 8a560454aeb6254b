"""Batches: long lists of values, cut so that each part fits one statement."""

from __future__ import annotations

from functools import cache
from itertools import islice
from typing import TYPE_CHECKING, Any, Final, TypeVar

from sqlalchemy import insert

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from sqlalchemy import Column, Connection, Insert, Row, Table

T = TypeVar("T")

# SQLite allows 32,766 variables in one statement, PostgreSQL 65,535 parameters.
BATCH: Final = 900


# Pairs per statement. There are fewer, because each of them may need a condition of its own.
PAIRS: Final = 100


def batches(items: Sequence[T], size: int = BATCH) -> Iterator[Sequence[T]]:
    """Cut a list into parts that fit one statement.

    Args:
        items: Values for a statement, such as digests or row numbers.
        size: The most items in one part.
    """
    for start in range(0, len(items), size):
        yield items[start : start + size]


def insert_rows(connection: Connection, table: Table, rows: Iterable[dict[str, Any]]) -> None:
    """Insert rows batch by batch, so that a long iterable is never in memory as a whole.

    Args:
        connection: An open write transaction.
        table: The table that receives the rows.
        rows: Each row as values by column name.
    """
    left = iter(rows)
    while some := list(islice(left, BATCH)):
        connection.execute(_insert(table), some)


def add_rows(
    connection: Connection, table: Table, rows: Iterable[dict[str, Any]], *columns: Column[Any]
) -> Iterator[Row[Any]]:
    """Insert rows batch by batch, and return columns of the new rows, in no particular order.

    Args:
        connection: An open write transaction.
        table: The table that receives the rows.
        rows: Each row as values by column name.
        columns: The columns to return.
    """
    left = iter(rows)
    while some := list(islice(left, BATCH)):
        yield from connection.execute(_insert(table, *columns), some)


@cache
def _insert(table: Table, *columns: Column[Any]) -> Insert:
    """Return the statement that adds rows: SQLAlchemy recognises one that it has compiled."""
    return insert(table).returning(*columns) if columns else insert(table)
