"""A catalogue whose last change was interrupted, as by a power cut."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path


def interrupt_change(root: Path) -> bytes:
    """Leave half of a change in a catalogue that nobody has open, and the rest in its journal.

    Returns:
        The catalogue before the change.
    """
    database, journal = root / "store.db", root / "store.db-journal"
    with closing(sqlite3.connect(database, isolation_level=None)) as connection:
        connection.execute("PRAGMA journal_mode=DELETE")
        sound = database.read_bytes()
        connection.execute("PRAGMA cache_size=2")
        connection.execute("BEGIN IMMEDIATE")
        connection.execute("CREATE TABLE half (done)")
        connection.executemany("INSERT INTO half VALUES (?)", [(bytes(9000),)] * 40)
        left = database.read_bytes(), journal.read_bytes()
        connection.execute("ROLLBACK")
    database.write_bytes(left[0])
    journal.write_bytes(left[1])
    assert left[0] != sound
    return sound
