"""The labels that are stored for content."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import select

from store.catalog import labels
from store.db.schema import label

if TYPE_CHECKING:
    from tests.support.catalog_rows import Rows


def test_labels_that_are_recorded_already_stay(rows: Rows) -> None:
    key, empty = rows.content("labelled"), rows.content("empty")
    labels.put(rows.connection, {key: {"a": "1", "b": "2"}, empty: {}})
    labels.put(rows.connection, {key: {"a": "other"}})
    found = rows.connection.execute(select(label.c.content_id, label.c.key, label.c.value))
    assert {tuple(row) for row in found} == {(key, "a", "1"), (key, "b", "2")}
