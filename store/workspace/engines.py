"""The engine of a store's catalogue. Every store uses SQLite, in a file of the store's folder."""

from __future__ import annotations

from functools import cache, partial
from typing import TYPE_CHECKING, Final

from store.db.sqlite import foreign_copy
from store.db.sqlite import upgrade as schema
from store.db.sqlite.database import SqliteDatabase
from store.db.sqlite.engine import DATABASE
from store.db.sqlite.location import LOG
from store.db.sqlite.opening import exclusive, locate
from store.db.sqlite.upgrade import require_ours
from store.errors import IntegrityError
from store.model.waiting import WAITING
from store.workspace.lost_catalogue import require_file, require_tables

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextlib import AbstractContextManager
    from datetime import datetime
    from pathlib import Path

    from sqlalchemy import Connection

    from store.db.changes import UnitListener
    from store.db.database import Database
    from store.db.faults import Fault
    from store.db.schema_state import SchemaState, UpgradeReport
    from store.documents.log import DocumentLog
    from store.model.waiting import Waiting

__all__ = [
    "DATABASE_FILES",
    "check_copy",
    "drift",
    "open_database",
    "rebuild_indexes",
    "schema_state",
    "upgrade",
]

DATABASE_FILES: Final = SqliteDatabase.FILES
"""The names of the files in a store's folder that the catalogue consists of."""


def open_database(
    root: Path,
    *,
    read_only: bool,
    now: Callable[[], datetime],
    waiting: Waiting = WAITING,
) -> Database:
    """Open the catalogue of the store at ``root``; upgrade an older schema after a backup.

    Args:
        root: The store's folder.
        read_only: Whether the caller only reads; such a catalogue is never upgraded.
        now: The clock; a backup has the time in its name.
        waiting: How long to wait for other writers.

    Raises:
        StoreNotFound: There is no store at ``root``.
        SchemaMismatch: A newer program has upgraded the schema.
        IntegrityError: The store has content, and its catalogue is lost or damaged.
        Unavailable: The catalogue cannot be opened.
    """
    require_file(root, DATABASE, LOG)
    database = SqliteDatabase.open(
        root,
        read_only=read_only,
        now=now,
        waiting=waiting,
        accept=lambda state: require_tables(root, DATABASE, state),
    )
    if database.is_writable:
        database.follow(partial(_listen, root))
    return database


@cache
def _document_log(root: Path) -> DocumentLog:
    # A command that only reads does not import the log.
    from store.documents.log import DocumentLog  # noqa: PLC0415

    return DocumentLog(root)


def _listen(root: Path) -> UnitListener:
    return _document_log(root).begin()


def upgrade(
    root: Path,
    *,
    now: Callable[[], datetime],
    waiting: Waiting = WAITING,
) -> UpgradeReport:
    """Upgrade the schema of the catalogue at ``root`` after a backup; create a missing catalogue.

    Args:
        root: The store's folder.
        now: The clock; a backup has the time in its name.
        waiting: How long to wait for other writers.

    Raises:
        SchemaMismatch: The catalogue is newer than this program, or belongs to another program.
        IntegrityError: The store has content, and its catalogue is lost or damaged.
        Unavailable: The catalogue cannot be written.
    """
    require_file(root, DATABASE, LOG)
    return schema.upgrade(
        root,
        now=now,
        waiting=waiting,
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
    location, state = locate(root, read_only=True)
    location.close()
    require_tables(root, DATABASE, state)
    require_ours(state)
    return state


def check_copy(path: Path) -> SchemaState:
    """Check that a file of a backup is a sound catalogue; return the revision of its schema.

    Args:
        path: A file that nobody writes to, without a log.

    Raises:
        IntegrityError: The file is damaged, or has tables that no store has.
        SchemaMismatch: A newer program made the catalogue, or it belongs to another program.
    """
    return foreign_copy.check_copy(path)


def examine(root: Path) -> Iterator[Fault]:
    """Yield what the engine finds wrong with the catalogue at ``root``. Nothing is written.

    Call this before the catalogue is opened: damage in a log is gone when it was opened.

    Args:
        root: The store's folder.

    Raises:
        StoreNotFound: There is no store at ``root``.
        IntegrityError: The store has content, and its catalogue is lost.
    """
    from store.db.sqlite import integrity  # noqa: PLC0415 - only for a check

    require_file(root, DATABASE, LOG)
    return integrity.faults(root)


def open_alone(folder: Path, *, now: Callable[[], datetime]) -> Database:
    """Open a catalogue that is not in the root of a store, and that only this process knows.

    Its changes are not recorded in a document log.

    Args:
        folder: The folder of the catalogue.
        now: The clock.
    """
    return SqliteDatabase.open(folder, read_only=False, now=now)


def merge_log(folder: Path) -> None:
    """Merge the log of the closed catalogue in a folder into its file, so that it can be moved.

    Args:
        folder: The folder that `open_alone` was given.

    Raises:
        StorageFull: There is no space.
        Unavailable: The catalogue cannot be written.
    """
    from store.db.sqlite import snapshot  # noqa: PLC0415 - only for a rescue

    snapshot.merge_log(folder / DATABASE)


def is_sound(root: Path) -> bool:
    """Return whether the catalogue of a store is there, and has no damaged page.

    Args:
        root: The store's folder.
    """
    try:
        require_file(root, DATABASE, LOG)
    except IntegrityError:
        return False
    from store.db.sqlite import integrity  # noqa: PLC0415 - only for a rescue

    return (root / DATABASE).is_file() and integrity.is_sound(root)


def write_lock(root: Path, waiting: Waiting) -> AbstractContextManager[None]:
    """Keep other writers out of a store whose catalogue is replaced.

    Args:
        root: The store's folder.
        waiting: How long to wait for another writer.

    Raises:
        StoreBusy: Another process holds the lock for too long.
    """
    return exclusive(root, waiting)


def drift(root: Path) -> tuple[str, ...]:
    """Return the differences between the database at ``root`` and the tables of this program.

    Raises:
        StoreNotFound: There is no store at ``root``.
        SchemaMismatch: The database belongs to another program.
        IntegrityError: The store has content, and its catalogue is lost or damaged.
    """
    schema_state(root)
    return schema.drift(root)


def rebuild_indexes(connection: Connection) -> None:
    """Build all indexes of the database again, from the rows of its tables.

    Args:
        connection: A write unit.

    Raises:
        IntegrityError: A table is damaged, or its rows contradict a unique index.
    """
    connection.exec_driver_sql("REINDEX")
