"""The schema revision of a SQLite database, read and upgraded; other databases are rejected."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from store.db.schema import HEAD, REVISIONS
from store.db.schema_state import SchemaState
from store.db.sqlite.location import DatabaseLocation
from store.db.sqlite.upgrade import read_schema_state, require_known, upgrade
from store.errors import IntegrityError, SchemaMismatch
from tests.conftest import NOW

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize("revision", [None, *REVISIONS])
def test_known_revisions_pass(revision: str | None) -> None:
    require_known(SchemaState(revision))


def test_an_unknown_revision_names_itself_and_the_newest_known_one() -> None:
    with pytest.raises(SchemaMismatch, match=f"9999.*{HEAD}"):
        require_known(SchemaState("9999"))


def state(root: Path) -> SchemaState:
    with DatabaseLocation.at(root, read_only=True) as location:
        return read_schema_state(location)


def test_an_empty_database_has_no_revision(tmp_path: Path) -> None:
    sqlite3.connect(tmp_path / "store.db").close()
    assert state(tmp_path).current is None


def test_a_new_database_is_made_without_a_backup(tmp_path: Path) -> None:
    report = upgrade(tmp_path, now=lambda: NOW)
    assert (report.before, report.after, report.backup) == (None, HEAD, None)
    assert state(tmp_path).is_current


def test_a_database_of_another_program_is_rejected(tmp_path: Path) -> None:
    with closing(sqlite3.connect(tmp_path / "store.db")) as connection:
        connection.execute("CREATE TABLE mine (x)")
    found = state(tmp_path)
    assert found.is_foreign
    with pytest.raises(SchemaMismatch, match="another program"):
        require_known(found)


def test_a_file_that_is_not_a_database_is_damaged(tmp_path: Path) -> None:
    (tmp_path / "store.db").write_bytes(b"not a database" * 100)
    with pytest.raises(IntegrityError):
        state(tmp_path)
