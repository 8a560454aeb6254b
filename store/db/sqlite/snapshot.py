"""Copies of the catalogue: a private copy to try changes on, and a copy for a backup."""

from __future__ import annotations

import sqlite3
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING, Final

from store.db.schema import condemned, lease, operation, upload
from store.db.sqlite.engine import (
    DATABASE,
    Access,
    connect,
    database_errors,
    make_engine,
    read_unit,
)
from store.errors import Unavailable
from store.files.space.scratch import scratch_folder

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from sqlalchemy import Connection, Engine

_IN_PROGRESS: Final = (lease, operation, upload, condemned)
"""The tables of running work, whose files no copy has; a lease refers to its operation."""


@contextmanager
def copied(engine: Engine) -> Iterator[Connection]:
    """Copy one snapshot and open a connection to the copy; the copy is removed at the end.

    Writers of the original need not wait.

    Args:
        engine: The engine of the original.

    Raises:
        StorageFull: There is no space for the copy in the folder for temporary files.
    """
    with scratch_folder(_size(engine)) as folder:
        path = folder / DATABASE
        with read_unit(engine) as connection, closing(sqlite3.connect(path)) as target:
            _source(connection).backup(target)
        copy = make_engine(path, Access.READ_WRITE)
        try:
            with database_errors(copy), copy.connect() as connection:
                yield connection
        finally:
            copy.dispose()


def write_copy(unit: Connection, target: Path) -> None:
    """Write the snapshot that a read unit sees to a new file. The file is not synced.

    The copy has no running operation, lease or upload, and needs no log beside it. Writers of the
    original need not wait.

    Args:
        unit: A read unit of the original.
        target: The new file; it is empty or does not exist.

    Raises:
        StorageFull: There is no space for the copy.
        IntegrityError: The original is damaged.
    """
    with database_errors(), closing(sqlite3.connect(target, isolation_level=None)) as copy:
        # The caller syncs the file once, at the end.
        copy.execute("PRAGMA synchronous=OFF")
        _source(unit).backup(copy)
        copy.execute("PRAGMA journal_mode=DELETE")
        copy.execute("BEGIN")
        for table in _IN_PROGRESS:
            copy.execute(f"DELETE FROM {table.name}")  # noqa: S608 - constants of ours
        copy.execute("COMMIT")


def merge_log(database: Path) -> None:
    """Merge the log of a closed catalogue into its file, durably, so that the file can be moved.

    SQLite does this when the last connection is closed, and is silent if it fails.

    Args:
        database: The catalogue, which no process has opened.

    Raises:
        StorageFull: There is no space.
        Unavailable: The catalogue cannot be written.
    """
    with (
        database_errors(database),
        closing(connect(database, Access.READ_WRITE)) as connection,
    ):
        (mode,) = connection.execute("PRAGMA journal_mode=DELETE").fetchone()
    if mode != "delete":
        raise Unavailable(f"cannot merge the log of {database} into it: another process uses it")


def _source(connection: Connection) -> sqlite3.Connection:
    source = connection.connection.driver_connection
    assert isinstance(source, sqlite3.Connection)  # noqa: S101 - the engine's own
    return source


def _size(engine: Engine) -> int:
    """Return the size of the database in bytes."""
    with read_unit(engine) as connection:
        pages = connection.exec_driver_sql("PRAGMA page_count").scalar_one()
        return int(pages) * int(connection.exec_driver_sql("PRAGMA page_size").scalar_one())
