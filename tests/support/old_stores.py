"""Stores as an older program left them: the content of a store in the schema of any revision."""

from __future__ import annotations

import shutil
import sqlite3
from contextlib import closing
from datetime import UTC, datetime
from importlib.resources import files
from typing import TYPE_CHECKING

from alembic.config import Config
from alembic.script import ScriptDirectory

from store.db.sqlite.upgrade import upgrade

if TYPE_CHECKING:
    from pathlib import Path

NOW = datetime(2026, 1, 1, tzinfo=UTC)


def revisions(scripts: Path | None = None) -> list[str]:
    """Return every revision that Alembic finds, oldest first."""
    config = Config()
    config.set_main_option("script_location", str(scripts or files("migrations")))
    return [script.revision for script in ScriptDirectory.from_config(config).walk_revisions()][
        ::-1
    ]


def copy_scripts(folder: Path, *, up_to: str | None = None) -> Path:
    """Copy the migrations, without the revisions after ``up_to``; return the new folder."""
    shutil.copytree(str(files("migrations")), folder, ignore=shutil.ignore_patterns("__pycache__"))
    every = revisions(folder)
    for later in every[every.index(up_to) + 1 :] if up_to is not None else ():
        script(folder, later).unlink()
    return folder


def script(scripts: Path, revision: str) -> Path:
    """Return the file of a revision."""
    (found,) = (scripts / "versions").glob(f"{revision}_*.py")
    return found


def extend(path: Path, *statements: str) -> None:
    """Add statements to the end of a migration."""
    body = "".join(f"    {statement}\n" for statement in statements)
    path.write_text(
        f"{path.read_text()}\n\n_as_released = upgrade\n\n\ndef upgrade():\n   "
        f" _as_released()\n{body}"
    )


def add_revision(scripts: Path, *statements: str) -> str:
    """Add a migration after the newest one; return its revision."""
    head = revisions(scripts)[-1]
    text = (
        "import sqlalchemy as sa\nfrom alembic import op\n\nrevision = '9000'\ndown_revision ="
        f" {head!r}\n\n\ndef upgrade():\n    pass\n"
    )
    path = scripts / "versions" / "9000_future.py"
    path.write_text(text)
    extend(path, *statements)
    return "9000"


def older_store(full: Path, root: Path, revision: str, scripts: Path) -> Path:
    """Make a store at ``revision`` with the files and rows of the store ``full``.

    Rows and columns that the revision does not have are left out.
    """
    shutil.copytree(full, root, ignore=shutil.ignore_patterns("store.db*", "*.lock"))
    upgrade(root, now=lambda: NOW, scripts=copy_scripts(scripts, up_to=revision))
    with closing(sqlite3.connect(root / "store.db", isolation_level=None)) as connection:
        connection.execute("ATTACH ? AS full", (str(full / "store.db"),))
        for table in tables(connection):
            columns = ", ".join(
                f'"{column}"'
                for column in _columns(connection, "main", table)
                if column in _columns(connection, "full", table)
            )
            connection.execute(
                f'INSERT INTO main."{table}" ({columns}) SELECT {columns} FROM full."{table}"'  # noqa: S608
            )
    return root


def tables(connection: sqlite3.Connection) -> list[str]:
    """Return the names of the store's tables."""
    query = (
        "SELECT name FROM main.sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite%' AND"
        " name <> 'alembic_version' ORDER BY name"
    )
    return [row[0] for row in connection.execute(query)]


def _columns(connection: sqlite3.Connection, schema: str, table: str) -> list[str]:
    return [row[1] for row in connection.execute(f'PRAGMA {schema}.table_info("{table}")')]


RESET = {
    "encoding": {"seekable", "ours", "checked"},
    "event": {"reader"},
    "foreign_source": {"image_id"},
    "manifest": {"diff_state"},
    "repository": {"blobs_at", "manifest_at"},
    "repository_content": {"media_type", "fresh_at"},
    "reference_log": {"actor"},
    "upload": {"owner"},
}
"""Columns by table that an upgrade resets: old proofs do not count, and old owners are unknown."""


def rows(database: Path) -> dict[str, list[tuple[object, ...]]]:
    """Return the rows of every table, without the columns in `RESET`; sort the columns by name."""
    with closing(sqlite3.connect(database)) as connection:
        found = {}
        for table in tables(connection):
            columns = sorted({*_columns(connection, "main", table)} - RESET.get(table, set()))
            found[table] = sorted(
                connection.execute(f'SELECT {", ".join(columns)} FROM "{table}"').fetchall(),  # noqa: S608
                key=repr,
            )
        return found


def dump(database: Path) -> list[str]:
    """Return the whole database as SQL: schema, rows and revision."""
    with closing(sqlite3.connect(database)) as connection:
        return sorted(connection.iterdump())
