"""Connections to a SQLite file: settings, explicit transactions, and translated errors."""

from __future__ import annotations

import os
import sqlite3
from contextlib import contextmanager
from enum import Enum
from typing import TYPE_CHECKING, Any, Final, final
from urllib.parse import quote

from sqlalchemy import Engine, create_engine, event
from sqlalchemy.dialects import registry
from sqlalchemy.dialects.sqlite.pysqlite import SQLiteDialect_pysqlite
from sqlalchemy.exc import DBAPIError
from sqlalchemy.pool import QueuePool
from sqlalchemy.util import LRUCache

from store.db.database import Durability
from store.db.sqlite.row_changes import reported
from store.errors import Unavailable
from store.files.space.shared_memory import keep_blocks
from store.model.waiting import WAIT_LIMIT_S

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from sqlalchemy import Connection

    from store.db.changes import UnitListener
    from store.files.space.shared_memory import KeptBlocks
    from store.files.write_lock import WriteLock

DATABASE: Final = "store.db"
OLDEST_SQLITE: Final = (3, 35, 0)
"""The first version that returns columns of inserted rows."""
_WRITING: Final = "store_write"
"""The execution option of a write transaction; its value is the durability."""
_FILE: Final = "store_file"
"""The execution option of an engine; its value is the path of the database file."""


_SYNCHRONOUS: Final = {Durability.SYNCED: "FULL", Durability.SOON: "NORMAL"}
"""SQLite's setting for each durability."""

_PRAGMAS: Final = (
    "PRAGMA foreign_keys=ON",
    f"PRAGMA synchronous={_SYNCHRONOUS[Durability.SYNCED]}",
    "PRAGMA cache_size=-16384",
    "PRAGMA temp_store=MEMORY",
    "PRAGMA trusted_schema=OFF",
)


COMPILED: Final[LRUCache[Any, Any]] = LRUCache(1000)
"""The compiled statements of all engines."""


@final
class StoreDialect(SQLiteDialect_pysqlite):
    """SQLAlchemy's dialect of SQLite. All instances are equal.

    SQLAlchemy keeps compiled statements by the dialect that compiled them. With equal dialects, a
    program that opens a second store compiles no statement again.
    """

    supports_statement_cache = True

    def __eq__(self, other: object) -> bool:
        return isinstance(other, StoreDialect)

    def __hash__(self) -> int:
        return hash(StoreDialect)


registry.register("sqlite.store", __name__, StoreDialect.__name__)


class Access(Enum):
    """How SQLite opens the database file (the ``mode`` of its URI)."""

    READ_WRITE = "rw"
    CREATE = "rwc"
    READ_ONLY = "ro"
    IMMUTABLE = "ro&immutable=1"


class _Connection(sqlite3.Connection):
    """A connection that keeps the blocks of its shared memory while it is open."""

    blocks: KeptBlocks | None = None

    def close(self) -> None:
        super().close()
        if self.blocks is not None:
            self.blocks.release()


def connect(
    database: Path, access: Access, wait_limit_s: float = WAIT_LIMIT_S, cached_statements: int = 128
) -> sqlite3.Connection:
    """Open a SQLite file without implicit transactions. The caller closes the connection.

    Args:
        database: Path of the database file.
        access: How to open the file.
        wait_limit_s: How long to wait for a lock of another program, in seconds.
        cached_statements: How many compiled statements are kept.

    Raises:
        StorageFull: The disk is full.
        sqlite3.Error: The file cannot be opened.
    """
    blocks = None if access is Access.IMMUTABLE else keep_blocks(database)
    try:
        connection = sqlite3.connect(
            f"file:{quote(os.fsencode(database))}?mode={access.value}",
            uri=True,
            timeout=wait_limit_s,
            isolation_level=None,
            check_same_thread=False,
            cached_statements=cached_statements,
            factory=_Connection,
        )
    except BaseException:
        if blocks is not None:
            blocks.release()
        raise
    connection.blocks = blocks
    return connection


def require_newer_sqlite(version: tuple[int, ...] = sqlite3.sqlite_version_info) -> None:
    """Check that the statements of `store.catalog` work with the SQLite of this Python.

    Args:
        version: The version of SQLite.

    Raises:
        Unavailable: SQLite is too old for ``INSERT … RETURNING``.
    """
    if version < OLDEST_SQLITE:
        have, need = (".".join(map(str, one)) for one in (version, OLDEST_SQLITE))
        raise Unavailable(
            f"Python has SQLite {have}, and storectl needs {need} or newer",
            hint="use a Python that has a newer SQLite, for example by `uv tool install`",
        )


def make_engine(database: Path, access: Access, wait_limit_s: float = WAIT_LIMIT_S) -> Engine:
    """Return an engine for a SQLite file. The first connection opens the file.

    The driver's implicit transactions are off, because implicit transactions do not cover DDL and
    begin too late. The engine issues ``BEGIN`` itself, and ``BEGIN IMMEDIATE`` inside `write_unit`.

    Args:
        database: Path of the database file.
        access: How to open the file.
        wait_limit_s: How long to wait for a lock of another program, in seconds.

    Raises:
        Unavailable: SQLite is too old.
    """
    require_newer_sqlite()
    engine = create_engine(
        "sqlite+store://",
        creator=lambda: connect(database, access, wait_limit_s, cached_statements=256),
        poolclass=QueuePool,
        pool_size=8,
        max_overflow=24,
        execution_options={_FILE: database, "compiled_cache": COMPILED},
    )

    @event.listens_for(engine, "connect")
    def _configure(connection: sqlite3.Connection, _record: object) -> None:
        for pragma in _PRAGMAS:
            connection.execute(pragma)
        if access in (Access.READ_WRITE, Access.CREATE):
            connection.execute("PRAGMA journal_mode=WAL")

    @event.listens_for(engine, "begin")
    def _begin(connection: Connection) -> None:
        # `exec_driver_sql` would cost ten times as much.
        driver: Any = connection.connection.dbapi_connection
        durability: Durability | None = connection.get_execution_options().get(_WRITING)
        if durability is None:
            driver.execute("BEGIN")
            return
        # The pragma has no effect inside a transaction. Connections are reused, so the last
        # transaction may have set another one.
        if connection.info.get(_WRITING) is not durability:
            driver.execute(f"PRAGMA synchronous={_SYNCHRONOUS[durability]}")
            connection.info[_WRITING] = durability
        driver.execute("BEGIN IMMEDIATE")

    return engine


@contextmanager
def read_unit(engine: Engine) -> Iterator[Connection]:
    """Open a read unit: every query inside sees the same snapshot."""
    with database_errors(engine), engine.connect() as connection, connection.begin():
        yield connection


@contextmanager
def write_unit(
    engine: Engine,
    lock: WriteLock,
    owner: str,
    durability: Durability = Durability.SYNCED,
    listen: Callable[[], UnitListener] | None = None,
) -> Iterator[Connection]:
    """Open a write unit: ``BEGIN IMMEDIATE`` … ``COMMIT``, or ``ROLLBACK`` on any exception.

    Args:
        engine: The engine of the database.
        lock: The lock that writers wait for.
        owner: The name of this writer; a writer that waits for it shows this name.
        durability: When the change becomes safe from a power cut.
        listen: Returns a listener for the rows that the unit changes; None if nobody listens.

    Raises:
        StoreBusy: Another program keeps the database locked.
        StorageFull: There is no space for the change.
        ReadOnlyStore: The database cannot be written.
    """
    with database_errors(engine), lock.held(owner), engine.connect() as connection:
        writing = for_writing(connection, durability)
        with reported(writing, listen), writing.begin():
            yield writing


def for_writing(connection: Connection, durability: Durability = Durability.SYNCED) -> Connection:
    """Return the connection, configured so that its next transaction is a write transaction."""
    return connection.execution_options(**{_WRITING: durability})


@contextmanager
def database_errors(database: Path | Engine | None = None) -> Iterator[None]:
    """Translate SQLite's errors into StoreError; errors in this program's SQL stay unchanged.

    Args:
        database: The database file or its engine, to find the cause of a failed write; None if it
            is not known.

    Raises:
        StoreError: The block raised an error of SQLite.
    """
    try:
        yield
    except DBAPIError as exc:
        raise _translate(
            exc.orig if isinstance(exc.orig, sqlite3.Error) else exc, database
        ) from exc
    except sqlite3.Error as exc:
        raise _translate(exc, database) from exc
    except UnicodeDecodeError as exc:
        # The driver cannot decode an error that quotes a damaged name of the schema.
        name = sqlite3.DatabaseError("a name or a text is not UTF-8")
        name.sqlite_errorname = "SQLITE_CORRUPT"
        raise _translate(name, database) from exc


def _translate(error: Exception, database: Path | Engine | None) -> Exception:
    from store.db.sqlite.errors import translated  # noqa: PLC0415 - only after an error

    if isinstance(database, Engine):
        database = database.get_execution_options().get(_FILE)
    return translated(error, database)
