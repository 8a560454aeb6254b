from __future__ import annotations

import pytest
from sqlalchemy import CheckConstraint, UniqueConstraint

from store.db.all_tables import metadata
from store.db.schema import HEAD, REVISIONS

EDGES = sorted(
    (table.name, column.name)
    for table in metadata.tables.values()
    for column in table.columns
    if column.foreign_keys
)


def test_revisions_end_with_the_newest() -> None:
    assert REVISIONS[-1] == HEAD
    assert list(REVISIONS) == sorted(set(REVISIONS))


@pytest.mark.parametrize(("table_name", "column"), EDGES)
def test_every_foreign_key_leads_an_index(table_name: str, column: str) -> None:
    """If a foreign key has no index, each deletion of a parent row reads the whole child table."""
    table = metadata.tables[table_name]
    leading = {next(iter(index.columns)).name for index in table.indexes}
    leading.add(next(iter(table.primary_key.columns)).name)
    leading |= {
        next(iter(constraint.columns)).name
        for constraint in table.constraints
        if isinstance(constraint, UniqueConstraint)
    }
    assert column in leading


def test_every_check_has_a_name_that_a_migration_can_drop() -> None:
    unnamed = [
        table.name
        for table in metadata.tables.values()
        for constraint in table.constraints
        if isinstance(constraint, CheckConstraint) and constraint.name is None
    ]
    assert unnamed == []
