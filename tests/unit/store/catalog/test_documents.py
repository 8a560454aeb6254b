"""Documents, whose bytes the database holds."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import select

from store.catalog import content
from store.catalog.checking import marks
from store.catalog.documents import DocumentRow, put_documents, put_labels, write_documents
from store.db.schema import label
from store.model.contents import ContentState
from store.model.digests import Digest
from tests.support.catalog_rows import named

if TYPE_CHECKING:
    from tests.support.catalog_rows import Rows


def test_a_document_replaces_a_damaged_one(rows: Rows) -> None:
    digest = Digest.of(b"right")
    put_documents(rows.connection, {digest: b"wrong"})
    put_documents(rows.connection, {digest: b"right"})
    assert content.sources(rows.connection, [digest])[digest].inline == b"right"
    put_documents(rows.connection, {digest: b"wrong"})
    marks.mark_damaged(rows.connection, digest)
    put_documents(rows.connection, {digest: b"right"})
    assert content.sources(rows.connection, [digest])[digest].inline == b"right"


def test_other_digests_get_a_row_if_they_have_none(rows: Rows) -> None:
    digest = Digest.of(b"data")
    known = rows.content("known")
    keys = write_documents(
        rows.connection,
        {digest: b"data"},
        {named("known"): DocumentRow(known, ContentState.PRESENT, None)},
        [named("known"), named("new")],
    )
    assert keys.keys() == {digest, named("known"), named("new")}
    assert keys[named("known")] == known
    found = content.find(rows.connection, keys)
    assert {one: found[one].state for one in found} == {
        digest: ContentState.PRESENT,
        named("known"): ContentState.PRESENT,
        named("new"): ContentState.ABSENT,
    }
    assert content.sources(rows.connection, [digest])[digest].inline == b"data"


def test_labels_that_are_recorded_already_stay(rows: Rows) -> None:
    key, empty = rows.content("labelled"), rows.content("empty")
    put_labels(rows.connection, {key: {"a": "1", "b": "2"}, empty: {}})
    put_labels(rows.connection, {key: {"a": "other"}})
    found = rows.connection.execute(select(label.c.content_id, label.c.key, label.c.value))
    assert {tuple(row) for row in found} == {(key, "a", "1"), (key, "b", "2")}
