from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from store.catalog import naming
from store.catalog.documents import put_documents
from store.catalog.lists import recorded_rows
from store.db.changes import Position
from store.model.references import Reference
from tests.support.catalog_rows import NOW, Rows, empty_catalog, named

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sqlalchemy import Connection

APP = Reference.parse("app:1")
FULL = str(APP.repository)
TIME = "2026-01-02T03:04:05.000000Z"
END = Position(99, 99)


@pytest.fixture
def connection() -> Iterator[Connection]:
    with empty_catalog() as opened:
        yield opened


def pages(
    connection: Connection, max_rows: int, max_bytes: int = 1000
) -> list[tuple[recorded_rows.Row, ...]]:
    found: list[tuple[recorded_rows.Row, ...]] = []
    position = Position()
    while position != END:
        page = recorded_rows.page(connection, position, END, max_rows=max_rows, max_bytes=max_bytes)
        assert page.position > position
        position = page.position
        found.append(page.rows)
    return found


@pytest.mark.parametrize("max_rows", [1, 2, 100])
def test_pages_hold_everything(connection: Connection, max_rows: int) -> None:
    rows = Rows(connection)
    put_documents(connection, {named("i"): b"config", named("m"): b"manifest"})
    key = rows.manifest("m", rows.image("i", "layer"))
    other = rows.manifest("n")
    naming.set_tags(connection, {APP: key}, now=NOW, operation="test")
    naming.keep(connection, other, now=NOW)
    digests = {name: str(named(name)) for name in "imn"}
    found = [row for page in pages(connection, max_rows) for row in page]
    # The tag is found with its manifest, and in the log of references.
    tag = ("tag", (FULL, "1", digests["m"], TIME))
    assert found.count(tag) == 2
    assert sorted(set(found)) == sorted(
        [
            ("document", (digests["i"], b"config")),
            ("document", (digests["m"], b"manifest")),
            *(row for row in found if row[0] == "manifest"),
            ("held", (FULL, digests["m"], None)),
            tag,
            ("kept", (digests["n"], TIME)),
        ]
    )
    assert {row[1][0] for row in found if row[0] == "manifest"} == {digests["m"], digests["n"]}


def test_a_page_has_a_ceiling_of_bytes(connection: Connection) -> None:
    put_documents(connection, {named(name): name.encode() * 400 for name in "abcd"})
    sizes = [len([row for row in page if row[0] == "document"]) for page in pages(connection, 99)]
    assert sizes[:2] == [2, 2]
    put_documents(connection, {named("e"): b"e" * 5000})
    assert [("document", (str(named("e")), b"e" * 5000))] in [
        [row for row in page if row[0] == "document"] for page in pages(connection, 99)
    ]


def test_a_removed_tag_points_nowhere(connection: Connection) -> None:
    rows = Rows(connection)
    naming.set_tags(connection, {APP: rows.manifest("m")}, now=NOW, operation="test")
    connection.exec_driver_sql("DELETE FROM reference")
    found = [row for page in pages(connection, 99) for row in page]
    assert ("tag", (FULL, "1", None, None)) in found


def test_the_position_is_that_of_the_newest_rows(connection: Connection) -> None:
    assert recorded_rows.position(connection) == Position()
    rows = Rows(connection)
    naming.set_tags(connection, {APP: rows.manifest("m")}, now=NOW, operation="test")
    assert recorded_rows.position(connection) == Position(1, 1)
