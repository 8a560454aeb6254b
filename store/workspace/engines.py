"""The engine of a store's catalogue. Every store uses SQLite, in a file of the store's folder."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from store.db.sqlite import upgrade as schema
from store.db.sqlite.database import SqliteDatabase
from store.db.sqlite.engine import DATABASE
from store.db.sqlite.location import LOG, DatabaseLocation
from store.db.sqlite.upgrade import read_schema_state, require_ours
from store.workspace.lost_catalogue import require_file, require_tables

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime
    from pathlib import Path

    from store.db.database import Database
    from store.db.schema_state import SchemaState, UpgradeReport

__all__ = ["DATABASE_FILES", "drift", "open_database", "schema_state", "upgrade"]

DATABASE_FILES: Final = SqliteDatabase.FILES
"""The names of the files in a store's folder that the catalogue consists of."""


def open_database(
    root: Path,
    *,
    read_only: bool,
    now: Callable[[], datetime],
    on_wait: Callable[[str], None] | None = None,
) -> Database:
    """Open the catalogue of the store at ``root``; upgrade an older schema after a backup.

    Args:
        root: The store's folder.
        read_only: Whether the caller only reads; such a catalogue is never upgraded.
        now: The clock; a backup has the time in its name.
        on_wait: Called with the name of the writer that this process has to wait for.

    Raises:
        StoreNotFound: There is no store at ``root``.
        SchemaMismatch: A newer program has upgraded the schema.
        IntegrityError: The store has content, and its catalogue is lost or damaged.
        Unavailable: The catalogue cannot be opened.
    """
    require_file(root, DATABASE, LOG)
    return SqliteDatabase.open(
        root,
        read_only=read_only,
        now=now,
        on_wait=on_wait,
        accept=lambda state: require_tables(root, DATABASE, state),
    )


def upgrade(
    root: Path,
    *,
    now: Callable[[], datetime],
    on_wait: Callable[[str], None] | None = None,
) -> UpgradeReport:
    """Upgrade the schema of the catalogue at ``root`` after a backup; create a missing catalogue.

    Args:
        root: The store's folder.
        now: The clock; a backup has the time in its name.
        on_wait: Called with the name of the writer that this process has to wait for.

    Raises:
        SchemaMismatch: The catalogue is newer than this program, or belongs to another program.
        IntegrityError: The store has content, and its catalogue is lost or damaged.
        Unavailable: The catalogue cannot be written.
    """
    require_file(root, DATABASE, LOG)
    return schema.upgrade(
        root,
        now=now,
        on_wait=on_wait,
        accept=lambda state: require_tables(root, DATABASE, state),
    )


def schema_state(root: Path) -> SchemaState:
    """Return the revision of the schema at ``root``, without opening the catalogue.

    Raises:
        StoreNotFound: There is no store at ``root``.
        SchemaMismatch: The database belongs to another program.
        IntegrityError: The store has content, and its catalogue is lost or damaged.
    """
    require_file(root, DATABASE, LOG)
    with DatabaseLocation.at(root, read_only=True) as location:
        state = read_schema_state(location)
    require_tables(root, DATABASE, state)
    require_ours(state)
    return state


def drift(root: Path) -> tuple[str, ...]:
    """Return the differences between the database at ``root`` and the tables of this program.

    Raises:
        StoreNotFound: There is no store at ``root``.
        SchemaMismatch: The database belongs to another program.
        IntegrityError: The store has content, and its catalogue is lost or damaged.
    """
    schema_state(root)
    return schema.drift(root)
