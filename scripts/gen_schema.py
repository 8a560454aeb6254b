"""Write migrations/head.sql: what all migrations make of an empty database, to be run in one go where there is no store yet.

python scripts/gen_schema.py
"""

from __future__ import annotations

import sqlite3
import sys
import tempfile
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

ROOT = Path(__file__).parent.parent
TARGET = ROOT / "migrations" / "head.sql"


def migrated(folder: Path) -> str:
    """The text of the file: every statement that made the schema, in the order they were run, and the revision."""
    sys.path.insert(0, str(ROOT))
    from store.db.engine import DATABASE  # noqa: PLC0415 - the path is known now
    from store.db.upgrade import VERSION_TABLE, upgrade  # noqa: PLC0415

    report = upgrade(folder, now=lambda: datetime.now(UTC), scripts=ROOT / "migrations")
    with closing(sqlite3.connect(folder / DATABASE)) as database:
        statements = [row[0] for row in database.execute("SELECT sql FROM sqlite_master WHERE sql IS NOT NULL AND name NOT LIKE 'sqlite_%' ORDER BY rowid")]
    version = f"INSERT INTO {VERSION_TABLE} (version_num) VALUES ('{report.after}')"  # noqa: S608 - names of ours
    head = "-- Written by scripts/gen_schema.py: what the migrations make of an empty database. Do not edit."
    text = "\n".join((head, "BEGIN IMMEDIATE;", *(f"{statement.strip()};" for statement in (*statements, version)), "COMMIT;"))
    return "".join(f"{line.rstrip()}\n" for line in text.splitlines())


def main() -> None:
    """Write it."""
    with tempfile.TemporaryDirectory() as folder:
        TARGET.write_text(migrated(Path(folder)), encoding="utf-8")
    print(f"wrote {TARGET.relative_to(ROOT)}")


if __name__ == "__main__":
    main()
