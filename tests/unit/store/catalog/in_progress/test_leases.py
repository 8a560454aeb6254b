"""Rows of running operations, and the content that each operation leases."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from sqlalchemy import delete, func, select
from sqlalchemy.exc import IntegrityError

from store.catalog.in_progress import leases
from store.db.schema import content, lease
from tests.support.catalog_rows import NOW

if TYPE_CHECKING:
    from tests.support.catalog_rows import Rows


def count(rows: Rows) -> int:
    return rows.connection.execute(select(func.count()).select_from(lease)).scalar_one()


def test_an_operation_leases_content_once(rows: Rows) -> None:
    a, b = rows.content("a"), rows.content("b")
    for operation in ("one", "two"):
        leases.add_operation(rows.connection, operation, "import", NOW, 1)
        leases.add_leases(rows.connection, operation, [a, a])
        leases.add_leases(rows.connection, operation, [a, b])
    assert count(rows) == 4
    assert leases.operation_ids(rows.connection) == ("one", "two")


def test_leases_end_with_their_operation(rows: Rows) -> None:
    a = rows.content("a")
    for operation in ("one", "two"):
        leases.add_operation(rows.connection, operation, "import", NOW, 1)
        leases.add_leases(rows.connection, operation, [a])
    leases.forget_operation(rows.connection, "one")
    assert leases.operation_ids(rows.connection) == ("two",)
    assert count(rows) == 1


def test_the_database_refuses_to_delete_leased_content(rows: Rows) -> None:
    a = rows.content("a")
    leases.add_operation(rows.connection, "one", "import", NOW, 1)
    leases.add_leases(rows.connection, "one", [a])
    with pytest.raises(IntegrityError):
        rows.connection.execute(delete(content).where(content.c.id == a))
