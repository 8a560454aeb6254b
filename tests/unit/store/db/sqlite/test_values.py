"""Values that SQLite stores in columns of other types."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from store.db.all_tables import metadata
from store.db.schema import encoding, event, reference, repository
from store.db.sqlite.engine import DATABASE
from store.db.sqlite.text import any_text
from store.db.sqlite.values import constraint_faults, is_sensible, value_faults
from tests.support.checked_stores import tampered
from tests.support.images import A
from tests.support.stored_images import put_image

if TYPE_CHECKING:
    from store import Store
    from store.db.faults import Fault

WRONG = [
    ("content", "digest", "'sha256:zz' || substr(digest, 10)"),
    ("content", "digest", "CAST(x'ff' AS TEXT) || substr(digest, 2)"),
    ("content", "digest", "'sha512:' || substr(digest, 8)"),
    ("content", "size_bytes", "'many'"),
    ("content", "size_bytes", "1.5"),
    ("content", "state", "x'01'"),
    ("document", "bytes", "'text'"),
    ("encoding", "seekable", "2"),
    ("encoding", "ours", "'yes'"),
    ("reference", "tagged_at", "'2O26'"),
    ("reference", "tagged_at", "'2026-02-30T00:00:00.000000Z'"),
    ("reference", "tagged_at", "'2026-13-01T00:00:00.000000Z'"),
    ("reference", "tag", "hex(zeroblob(65))"),
    ("reference", "tag", "'a' || char(0) || 'b'"),
    ("repository", "name", "CAST(name AS BLOB)"),
    ("event", "attributes", "'[1]'"),
    ("event", "attributes", "'{'"),
    ("event", "attributes", "CAST(x'7b22ff223a317d' AS TEXT)"),
    ("event", "target", "CAST(x'ff' AS TEXT)"),
]


def faults(store: Store) -> list[Fault]:
    with closing(sqlite3.connect(store.root / DATABASE)) as connection:
        connection.text_factory = any_text
        return [
            fault
            for table in metadata.sorted_tables
            for fault in (
                *value_faults(connection, table),
                *constraint_faults(connection, table),
            )
        ]


@pytest.mark.parametrize(("table", "column", "value"), WRONG)
def test_a_value_of_another_type_is_found(
    store: Store, table: str, column: str, value: str
) -> None:
    put_image(store, A, tags=("x:1",))
    assert faults(store) == []
    row = f"(SELECT min(rowid) FROM {table})"  # noqa: S608 - names above
    tampered(store, f"UPDATE {table} SET {column} = {value} WHERE rowid = {row}")  # noqa: S608
    (fault, *_) = [one for one in faults(store) if "makes no sense: it" not in one.message]
    assert (fault.table, fault.message.split(": ")[1].split()[0]) == (table, column)


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE content SET state = 'presenu'",
        "UPDATE content SET size_bytes = -1",
        "UPDATE encoding SET codec = 'zstc'",
        "UPDATE layer SET depth = 0",
        "UPDATE manifest SET kind = 'manifesu'",
    ],
)
def test_a_row_that_violates_a_constraint_is_found(store: Store, statement: str) -> None:
    put_image(store, A, tags=("x:1",))
    tampered(store, statement)
    assert {fault.table for fault in faults(store)} == {statement.split()[1]}


def test_a_label_may_have_any_character(store: Store) -> None:
    put_image(store, A, tags=("x:1",))
    tampered(
        store,
        "INSERT INTO label (content_id, key, value)"
        " SELECT content_id, 'a' || char(0), char(0) FROM image",
    )
    assert faults(store) == []


def test_letters_and_unusual_digests_are_sensible(store: Store) -> None:
    put_image(store, A, tags=("x:1",))
    tampered(
        store,
        "UPDATE event SET target = 'größe'",
        f"UPDATE content SET digest = 'sha512:{'a' * 128}' WHERE id = 1",  # noqa: S608
    )
    assert faults(store) == []


def test_null_is_sensible_where_a_column_allows_it() -> None:
    assert is_sensible(event.c.reader, None)
    assert not is_sensible(reference.c.tag, None)
    assert is_sensible(encoding.c.ours, 1)
    assert not is_sensible(encoding.c.ours, 1.0)
    assert not is_sensible(repository.c.name, b"x")
