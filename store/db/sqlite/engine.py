"""Connections to a SQLite file: settings, explicit transactions, and translated errors."""

from __future__ import annotations

import sqlite3
from contextlib import contextmanager
from enum import Enum
from typing import TYPE_CHECKING, Final
from urllib.parse import quote

from sqlalchemy import create_engine, event
from sqlalchemy.exc import DBAPIError
from sqlalchemy.pool import QueuePool

from store.db.database import Durability
from store.errors import (
    IntegrityError,
    PermissionDenied,
    ReadOnlyStore,
    StorageFull,
    StoreBusy,
    Unavailable,
)
from store.model.remedies import Remedy

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from sqlalchemy import Connection, Engine

    from store.files.write_lock import WriteLock

DATABASE: Final = "store.db"
BUSY_TIMEOUT_S: Final = 60
_WRITING: Final = "store_write"
"""The execution option of a write transaction; its value is the durability."""


_SYNCHRONOUS: Final = {Durability.SYNCED: "FULL", Durability.SOON: "NORMAL"}
"""SQLite's setting for each durability."""

_PRAGMAS: Final = (
    f"PRAGMA busy_timeout={BUSY_TIMEOUT_S * 1000}",
    "PRAGMA foreign_keys=ON",
    f"PRAGMA synchronous={_SYNCHRONOUS[Durability.SYNCED]}",
    "PRAGMA cache_size=-16384",
    "PRAGMA temp_store=MEMORY",
    "PRAGMA trusted_schema=OFF",
)


class Access(Enum):
    """How SQLite opens the database file (the ``mode`` of its URI)."""

    READ_WRITE = "rw"
    CREATE = "rwc"
    READ_ONLY = "ro"
    IMMUTABLE = "ro&immutable=1"


def make_engine(database: Path, access: Access) -> Engine:
    """Return an engine for a SQLite file. The first connection opens the file.

    The driver's implicit transactions are off, because implicit transactions do not cover DDL and
    begin too late. The engine issues ``BEGIN`` itself, and ``BEGIN IMMEDIATE`` inside `write_unit`.

    Args:
        database: Path of the database file.
        access: How to open the file.
    """

    def connect() -> sqlite3.Connection:
        uri = f"file:{quote(str(database))}?mode={access.value}"
        return sqlite3.connect(
            uri, uri=True, isolation_level=None, check_same_thread=False, cached_statements=256
        )

    engine = create_engine(
        "sqlite+pysqlite://",
        creator=connect,
        poolclass=QueuePool,
        pool_size=8,
        max_overflow=24,
        query_cache_size=1000,
    )

    @event.listens_for(engine, "connect")
    def _configure(connection: sqlite3.Connection, _record: object) -> None:
        for pragma in _PRAGMAS:
            connection.execute(pragma)
        if access in (Access.READ_WRITE, Access.CREATE):
            connection.execute("PRAGMA journal_mode=WAL")

    @event.listens_for(engine, "begin")
    def _begin(connection: Connection) -> None:
        durability: Durability | None = connection.get_execution_options().get(_WRITING)
        if durability is None:
            connection.exec_driver_sql("BEGIN")
            return
        # The pragma has no effect inside a transaction. It is set before each transaction, because
        # connections are reused.
        connection.exec_driver_sql(f"PRAGMA synchronous={_SYNCHRONOUS[durability]}")
        connection.exec_driver_sql("BEGIN IMMEDIATE")

    return engine


@contextmanager
def read_unit(engine: Engine) -> Iterator[Connection]:
    """Open a read unit: every query inside sees the same snapshot."""
    with database_errors(), engine.connect() as connection, connection.begin():
        yield connection


@contextmanager
def write_unit(
    engine: Engine, lock: WriteLock, owner: str, durability: Durability = Durability.SYNCED
) -> Iterator[Connection]:
    """Open a write unit: ``BEGIN IMMEDIATE`` … ``COMMIT``, or ``ROLLBACK`` on any exception.

    Args:
        engine: The engine of the database.
        lock: The lock that writers wait for.
        owner: The name of this writer; a writer that waits for it shows this name.
        durability: When the change becomes safe from a power cut.

    Raises:
        StoreBusy: Another program keeps the database locked.
        StorageFull: There is no space for the change.
        ReadOnlyStore: The database cannot be written.
    """
    with database_errors(), lock.held(owner), engine.connect() as connection:
        writing = for_writing(connection, durability)
        with writing.begin():
            yield writing


def for_writing(connection: Connection, durability: Durability = Durability.SYNCED) -> Connection:
    """Return the connection, configured so that its next transaction is a write transaction."""
    return connection.execution_options(**{_WRITING: durability})


@contextmanager
def database_errors() -> Iterator[None]:
    """Translate SQLite's errors into StoreError; errors in this program's SQL stay unchanged."""
    try:
        yield
    except DBAPIError as exc:
        raise _translate(exc.orig if isinstance(exc.orig, sqlite3.Error) else exc) from exc
    except sqlite3.Error as exc:
        raise _translate(exc) from exc


def _translate(error: Exception) -> Exception:  # noqa: PLR0911 - a table
    name = getattr(error, "sqlite_errorname", "") or ""
    text = str(error)
    # SHMSIZE: there is no space for the shared memory, which is a file.
    if name.startswith("SQLITE_FULL") or name in ("SQLITE_IOERR_WRITE", "SQLITE_IOERR_SHMSIZE"):
        return StorageFull(
            f"cannot write the catalogue: {text}",
            hint="free some space on the store's file system; nothing was changed",
        )
    if name.startswith("SQLITE_READONLY"):
        return ReadOnlyStore(
            f"cannot write the catalogue: {text}",
            hint="check the permissions and the mount of the store's root",
        )
    if name.startswith(("SQLITE_BUSY", "SQLITE_LOCKED")):
        return StoreBusy(
            f"cannot lock the catalogue: {text}", hint="try again when the other process has ended"
        )
    if name.startswith(("SQLITE_CANTOPEN", "SQLITE_PERM", "SQLITE_AUTH")):
        return PermissionDenied(
            f"cannot open the catalogue: {text}",
            hint="check the owner and permissions of the store's root",
        )
    if name.startswith(("SQLITE_CORRUPT", "SQLITE_NOTADB")):
        return IntegrityError(
            f"the catalogue is damaged: {text}",
            hint=f"restore {DATABASE} from a backup",
            remedy=(
                Remedy.REPLACE_STORE if name.startswith("SQLITE_NOTADB") else Remedy.CHECK_STORE
            ),
        )
    if name.startswith("SQLITE_IOERR"):
        return Unavailable(
            f"cannot read or write the catalogue: {text}",
            hint="check the file system; network file systems cannot hold a store",
        )
    # Any other error (a violated constraint, a statement that does not parse) is a bug in this
    # program and stays unchanged.
    return error
