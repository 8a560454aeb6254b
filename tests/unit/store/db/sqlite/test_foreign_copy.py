from __future__ import annotations

import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from store.db.schema import HEAD
from store.db.sqlite.foreign_copy import check_copy
from store.errors import IntegrityError, SchemaMismatch, StoreError
from tests.support.images import A
from tests.support.stored_images import put_image

if TYPE_CHECKING:
    from pathlib import Path

    from store import Store


@pytest.fixture
def copy(store: Store, tmp_path: Path) -> Path:
    put_image(store, A, tags=("a:1",))
    with store.read() as unit:
        store.write_catalogue_copy(unit, tmp_path / "copy.db")
    return tmp_path / "copy.db"


def test_a_sound_copy_has_the_revision_of_the_program(copy: Path) -> None:
    before = copy.read_bytes()
    assert check_copy(copy).current == HEAD
    assert copy.read_bytes() == before
    assert [path.name for path in copy.parent.glob("copy.db*")] == ["copy.db"]


@pytest.mark.parametrize(
    "statement",
    [
        "CREATE TRIGGER t AFTER INSERT ON event BEGIN SELECT 1; END",
        "CREATE VIEW v AS SELECT 1",
        "CREATE VIRTUAL TABLE v USING fts5(x)",
    ],
)
def test_a_prepared_copy_is_refused(copy: Path, statement: str) -> None:
    with closing(sqlite3.connect(copy)) as connection:
        connection.execute(statement)
    with pytest.raises(IntegrityError, match="not written by this program"):
        check_copy(copy)


def test_a_copy_of_another_or_a_newer_program_is_refused(copy: Path, tmp_path: Path) -> None:
    with closing(sqlite3.connect(copy, isolation_level=None)) as connection:
        connection.execute("UPDATE alembic_version SET version_num = '9999'")
    with pytest.raises(SchemaMismatch, match="9999"):
        check_copy(copy)
    with closing(sqlite3.connect(tmp_path / "other.db")) as connection:
        connection.execute("CREATE TABLE bookmarks (url TEXT)")
    with pytest.raises(SchemaMismatch):
        check_copy(tmp_path / "other.db")
    (tmp_path / "empty.db").touch()
    with pytest.raises(SchemaMismatch, match="empty"):
        check_copy(tmp_path / "empty.db")


def test_damaged_copies_are_refused(copy: Path) -> None:
    data = copy.read_bytes()
    for changed in (data[: len(data) // 2], b"x" * 5000, data[:4096] + bytes(len(data) - 4096)):
        copy.write_bytes(changed)
        with pytest.raises(StoreError):
            check_copy(copy)
