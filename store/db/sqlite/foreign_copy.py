"""Checks of a catalogue that comes from a backup, before a store uses it.

The file is untrusted: it may be damaged, or somebody may have written it to harm the program that
opens it.
"""

from __future__ import annotations

import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING

from store.db.sqlite.engine import database_errors
from store.db.sqlite.upgrade import read_connection_state, require_known
from store.errors import IntegrityError, SchemaMismatch

if TYPE_CHECKING:
    from pathlib import Path

    from store.db.schema_state import SchemaState


def check_copy(path: Path) -> SchemaState:
    """Check that a file is a sound catalogue of a store; return the revision of its schema.

    Args:
        path: A file that nobody writes to, without a log.

    Raises:
        IntegrityError: The file is damaged, or has tables that no store has.
        SchemaMismatch: A newer program made the catalogue, or it belongs to another program.
    """
    uri = f"{path.absolute().as_uri()}?mode=ro&immutable=1"
    with database_errors(), closing(sqlite3.connect(uri, uri=True)) as connection:
        connection.execute("PRAGMA trusted_schema=OFF")
        (found,) = connection.execute("PRAGMA quick_check(1)").fetchone()
        if found != "ok":
            raise IntegrityError(f"the catalogue in the backup is damaged: {found}")
        state = read_connection_state(connection)
        if state.current is None and not state.is_foreign:
            raise SchemaMismatch("the catalogue in the backup is empty")
        require_known(state)
        # No catalogue has triggers or views. Those of a prepared file would run in the store.
        foreign = connection.execute(
            "SELECT name FROM sqlite_master WHERE type IN ('trigger', 'view')"
            " OR sql LIKE 'CREATE VIRTUAL%' LIMIT 1"
        ).fetchone()
        if foreign is not None:
            raise IntegrityError(
                f"the catalogue in the backup was not written by this program: it has the trigger"
                f" or view {foreign[0]!r}"
            )
    return state
