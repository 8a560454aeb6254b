"""The tables about other registries belong to the schema, and keep no content in the store."""

from __future__ import annotations

from sqlalchemy import Table

from store.db import upstream_schema
from store.db.all_tables import metadata


def test_the_tables_refer_to_nothing() -> None:
    tables = [one for one in vars(upstream_schema).values() if isinstance(one, Table)]
    assert len(tables) == 6
    for table in tables:
        assert metadata.tables[table.name] is table
        assert not table.foreign_keys
