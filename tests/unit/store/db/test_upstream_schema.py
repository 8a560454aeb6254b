"""The tables about other registries belong to the schema, and keep no content in the store."""

from __future__ import annotations

from store.db import schema


def test_the_tables_refer_to_nothing() -> None:
    assert len(schema.UPSTREAM) == 6
    for table in schema.UPSTREAM:
        assert schema.metadata.tables[table.name] is table
        assert not table.foreign_keys
