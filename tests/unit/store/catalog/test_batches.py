"""Long lists that are cut into batches, and rows that are inserted in batches."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from sqlalchemy import func, select

from store.catalog.batches import BATCH, batches, insert_rows
from store.db.schema import repository

if TYPE_CHECKING:
    from sqlalchemy import Connection


@pytest.mark.parametrize(
    ("items", "parts"),
    [([], []), ([1, 2], [[1, 2]]), ([1, 2, 3], [[1, 2], [3]]), ([1, 2, 3, 4], [[1, 2], [3, 4]])],
)
def test_a_list_is_cut_in_order_without_an_empty_part(
    items: list[int], parts: list[list[int]]
) -> None:
    assert list(batches(items, 2)) == parts


def test_rows_of_several_batches_are_all_inserted(connection: Connection) -> None:
    insert_rows(connection, repository, ({"name": f"r{number}"} for number in range(BATCH + 1)))
    count = connection.execute(select(func.count()).select_from(repository)).scalar()
    assert count == BATCH + 1


def test_no_rows_send_no_statement(connection: Connection) -> None:
    insert_rows(connection, repository, ())
    assert connection.execute(select(func.count()).select_from(repository)).scalar() == 0
