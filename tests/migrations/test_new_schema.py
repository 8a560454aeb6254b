"""A new store gets its tables from a script; they are those that the migrations create."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
from contextlib import closing
from typing import TYPE_CHECKING

from scripts.gen_schema import TARGET, script
from store import Store
from store.db.sqlite.engine import DATABASE
from store.db.sqlite.upgrade import upgrade
from tests.conftest import NOW

if TYPE_CHECKING:
    from pathlib import Path


def dump(root: Path) -> tuple[list[object], list[str]]:
    """Return the objects of a catalogue, and all its rows as statements."""
    with closing(sqlite3.connect(root / DATABASE)) as database:
        objects = database.execute(
            "SELECT type, name, tbl_name, sql FROM sqlite_master ORDER BY type, name"
        ).fetchall()
        return objects, sorted(database.iterdump())


def test_the_script_is_what_the_migrations_create() -> None:
    assert TARGET.read_text(encoding="utf-8") == script()


def test_a_new_store_has_the_tables_and_rows_of_a_migrated_one(tmp_path: Path) -> None:
    (tmp_path / "migrated").mkdir()
    upgrade(tmp_path / "migrated", now=lambda: NOW, scripts=TARGET.parent)
    Store.open(tmp_path / "new", create=True).close()
    assert dump(tmp_path / "new") == dump(tmp_path / "migrated")


def test_a_new_store_needs_no_alembic(tmp_path: Path) -> None:
    program = (
        "import sys; from pathlib import Path; from store import Store\n"
        f"Store.open(Path({str(tmp_path / 'new')!r}), create=True).close()\n"
        "print('alembic' in sys.modules)"
    )
    answer = subprocess.run(
        [sys.executable, "-c", program], check=True, capture_output=True, text=True
    )
    assert answer.stdout == "False\n"
