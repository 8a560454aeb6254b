"""Write the tables that all migrations create into migrations/schema.sql.

A new store gets its tables from this script at once, in a hundredth of the time that the migrations
take. ``make docs`` runs this program, and a test fails if the script is not what the migrations
create.
"""

from __future__ import annotations

import sqlite3
import sys
import tempfile
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

from store.db.sqlite.engine import DATABASE  # noqa: E402 - the path comes first
from store.db.sqlite.upgrade import SCHEMA, VERSION_TABLE, upgrade  # noqa: E402

TARGET: Final = ROOT / "migrations" / SCHEMA
_HEAD: Final = """\
-- The tables of the newest revision, as all migrations create them.
-- `make docs` writes this script; change the schema with a migration.
"""


def main() -> None:
    """Write the script."""
    TARGET.write_text(script(), encoding="utf-8")


def script() -> str:
    """Return the statements that create what the migrations create, in the same order."""
    with tempfile.TemporaryDirectory() as folder:
        upgrade(Path(folder), now=lambda: datetime.now(UTC), scripts=TARGET.parent)
        with closing(sqlite3.connect(Path(folder, DATABASE))) as database:
            rows = database.execute(
                "SELECT sql FROM sqlite_master"
                " WHERE sql IS NOT NULL AND name NOT LIKE 'sqlite@_%' ESCAPE '@' ORDER BY rowid"
            ).fetchall()
            revision = database.execute(f"SELECT version_num FROM {VERSION_TABLE}").fetchone()[0]  # noqa: S608 - a constant of ours
    statements = [str(row[0]) for row in rows]
    statements.append(f"INSERT INTO {VERSION_TABLE} (version_num) VALUES ('{revision}')")  # noqa: S608 - from our migration
    return _HEAD + "".join(f"{statement};\n" for statement in statements)


if __name__ == "__main__":
    main()
