"""Look-ups: statements that are compiled once, and that the driver runs without a transaction.

Look-ups serve the most frequent requests of a server. The work of SQLAlchemy for each statement (a
context, events, a general result) takes ten times as long as SQLite takes to find one row by an
index.
"""

from __future__ import annotations

import threading
from collections import namedtuple
from typing import TYPE_CHECKING, Any, Final, final

from sqlalchemy.sql.compiler import SQLCompiler

from store.db.sqlite.engine import database_errors

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Callable, Mapping, Sequence
    from types import TracebackType

    from sqlalchemy import Connection, Engine, Select
    from sqlalchemy.engine import Dialect
    from sqlalchemy.types import TypeEngine

    from store.db.sqlite.guard import Guard

    Convert = Callable[[Any], Any]


@final
class Lookups:
    """Connections for single statements, one for each thread.

    A single statement always sees one snapshot of the database, so it needs no transaction. As a
    context manager, the object returns the connection of the thread. Threads share the object.

    Args:
        engine: The engine of the database.
        guard: Checks that the database is still that of the store.
    """

    def __init__(self, engine: Engine, guard: Guard) -> None:
        self._engine = engine
        self._guard = guard
        self._local = threading.local()
        self._all: list[Connection] = []
        self._known: dict[Select[Any], _Compiled] = {}

    def __enter__(self) -> SqliteLookup:
        """Return this thread's connection.

        Raises:
            SchemaMismatch: Another version of the program has migrated the schema.
            Unavailable: The store's folder was moved, removed or replaced.
        """
        self._guard.require_checked()
        lookup: SqliteLookup | None = self._local.__dict__.get("lookup")
        return lookup or self._opened()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Raise an error of SQLite as a StoreError.

        Args:
            kind: The class of the error; None without an error.
            error: The error that the block raised; None without an error.
            trace: The error's traceback.
        """
        if isinstance(error, Exception):
            with self._guard.reading(), database_errors(self._engine):
                raise error

    def _opened(self) -> SqliteLookup:
        with self._guard.reading(), database_errors(self._engine):
            connection = self._engine.connect()
            self._all.append(connection)
            driver = connection.connection.driver_connection
            assert driver is not None  # noqa: S101 - it has just been opened
            lookup = SqliteLookup(driver, self._engine.dialect, self._known)
            self._local.lookup = lookup
            return lookup

    def close(self) -> None:
        """Close all connections. All look-ups must have ended."""
        for connection in self._all:
            connection.close()
        self._all.clear()
        self._local = threading.local()


@final
class SqliteLookup:
    """One thread's connection; implements `store.db.database.Lookup`.

    Functions that execute one statement accept this object in place of a SQLAlchemy connection.

    Args:
        driver: The driver's connection.
        dialect: The dialect for which statements are compiled.
        known: The compiled statements, which all threads share.
    """

    def __init__(
        self, driver: sqlite3.Connection, dialect: Dialect, known: dict[Select[Any], _Compiled]
    ) -> None:
        self._driver = driver
        self._dialect = dialect
        self._known = known

    def execute(self, query: Select[Any], values: Mapping[str, object]) -> SqliteRows:
        """Return all rows of ``query``. Raises sqlite3.Error."""
        compiled = self._known.get(query)
        if compiled is None:
            compiled = self._known[query] = _Compiled(query, self._dialect)
        return compiled.run(self._driver, values)


@final
class SqliteRows:
    """The result of a look-up; implements `store.db.database.Rows`."""

    def __init__(self, rows: list[Any]) -> None:
        self._rows = rows

    def one_or_none(self) -> Any:  # noqa: ANN401 - a row has the columns of its statement
        """Return the only row, or None if there is no row. Raises ValueError for several rows."""
        if not self._rows:
            return None
        (row,) = self._rows
        return row

    def scalar_one_or_none(self) -> Any:  # noqa: ANN401
        """Return the first column of the only row, or None. Raises ValueError for several rows."""
        row = self.one_or_none()
        return None if row is None else row[0]

    def scalar(self) -> Any:  # noqa: ANN401
        """Return the first column of the first row, or None if there is no row."""
        return self._rows[0][0] if self._rows else None


@final
class _Compiled:
    """A statement for the driver, with the conversions of its parameters and columns."""

    def __init__(self, query: Select[Any], dialect: Dialect) -> None:
        compiled = query.compile(dialect=dialect)
        assert isinstance(compiled, SQLCompiler)  # noqa: S101 - a SELECT's is
        self._sql: Final = str(compiled)
        fixed = compiled.params
        # Constants of the statement (a state, a limit) keep their values. The other parameters get
        # a value in each run.
        self._parameters: Final = [
            (
                name,
                _to_driver(compiled.binds[name].type, dialect),
                fixed[name],
                compiled.binds[name].required,
            )
            for name in compiled.positiontup or ()
        ]
        conversions = [_from_driver(column.type, dialect) for column in query.selected_columns]
        self._conversions: Final = [
            (number, convert) for number, convert in enumerate(conversions) if convert is not None
        ]
        self._row: Final = namedtuple(  # type: ignore[misc] # noqa: PYI024 - the columns are known at run time only
            "Row", [column.key or "_" for column in query.selected_columns], rename=True
        )

    def run(self, driver: sqlite3.Connection, values: Mapping[str, object]) -> SqliteRows:
        parameters = []
        for name, convert, fixed, is_asked in self._parameters:
            value = values[name] if is_asked else fixed
            parameters.append(value if convert is None else convert(value))
        # Fetch all rows: an unfinished statement would keep its snapshot of the database.
        found = driver.execute(self._sql, parameters).fetchall()
        return SqliteRows([self._converted(row) for row in found])

    def _converted(self, row: Sequence[Any]) -> Any:  # noqa: ANN401 - a row has the columns of its statement
        values = list(row)
        for number, convert in self._conversions:
            values[number] = convert(values[number])
        return self._row(*values)


def _to_driver(kind: TypeEngine[Any], dialect: Dialect) -> Convert | None:
    return kind.dialect_impl(dialect).bind_processor(dialect)


def _from_driver(kind: TypeEngine[Any], dialect: Dialect) -> Convert | None:
    return kind.dialect_impl(dialect).result_processor(dialect, None)
