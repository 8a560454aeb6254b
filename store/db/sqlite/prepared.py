"""Single statements on connections of their own.

What a server is asked for most often has to be quick.

A statement that was built beforehand is compiled once, and from then on run by the driver. What
SQLAlchemy does for a statement each time (a context, events, a result that can do everything) takes
ten times as long as what SQLite does for one row that an index finds.
"""

from __future__ import annotations

import threading
from collections import namedtuple
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final, final

from sqlalchemy.sql.compiler import SQLCompiler

from store.db.sqlite.engine import database_errors

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Callable, Iterator, Mapping

    from sqlalchemy import Connection, Engine, Select
    from sqlalchemy.engine import Dialect
    from sqlalchemy.types import TypeEngine

    Convert = Callable[[Any], Any]


@final
class Lookups:
    """Connections for single statements, one for each thread that asks: every statement sees one state by itself, so no transaction is begun."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._local = threading.local()
        self._all: list[Connection] = []
        self._known: dict[Select[Any], _Compiled] = {}

    @contextmanager
    def look(self) -> Iterator[SqliteLookup]:
        """This thread's connection."""
        with database_errors():
            known: dict[str, SqliteLookup] = self._local.__dict__
            lookup = known.get("lookup")
            if lookup is None:
                connection = self._engine.connect()
                self._all.append(connection)
                driver = connection.connection.driver_connection
                assert driver is not None  # noqa: S101 - it has just been opened
                lookup = known["lookup"] = SqliteLookup(driver, self._engine.dialect, self._known)
            yield lookup

    def close(self) -> None:
        """Let the connections go. Nobody may be looking."""
        for connection in self._all:
            connection.close()
        self._all.clear()
        self._local = threading.local()


@final
class SqliteLookup:
    """Runs statements.

    Takes the place of a SQLAlchemy connection for functions that execute one statement which was
    built once.

    ``known`` is what has been compiled; the look-ups of all threads may share it.
    """

    def __init__(
        self, driver: sqlite3.Connection, dialect: Dialect, known: dict[Select[Any], _Compiled]
    ) -> None:
        self._driver = driver
        self._dialect = dialect
        self._known = known

    def execute(self, query: Select[Any], values: Mapping[str, object]) -> SqliteRows:
        """All rows of ``query``. Raises sqlite3.Error."""
        compiled = self._known.get(query)
        if compiled is None:
            compiled = self._known[query] = _Compiled(query, self._dialect)
        return compiled.run(self._driver, values)


@final
class SqliteRows:
    """What was found: the part of SQLAlchemy's result that a look-up needs."""

    def __init__(self, rows: list[Any]) -> None:
        self._rows = rows

    def one_or_none(self) -> Any:  # noqa: ANN401 - a row has the columns of its statement
        """The only row. Raises ValueError when there are more."""
        if not self._rows:
            return None
        (row,) = self._rows
        return row

    def scalar_one_or_none(self) -> Any:  # noqa: ANN401
        """The first column of the only row. Raises ValueError when there are more."""
        row = self.one_or_none()
        return None if row is None else row[0]

    def scalar(self) -> Any:  # noqa: ANN401
        """The first column of the first row."""
        return self._rows[0][0] if self._rows else None


@final
class _Compiled:
    """A statement as the driver takes it, and how values go in and come out."""

    def __init__(self, query: Select[Any], dialect: Dialect) -> None:
        compiled = query.compile(dialect=dialect)
        assert isinstance(compiled, SQLCompiler)  # noqa: S101 - a SELECT's is
        self._sql: Final = str(compiled)
        fixed = compiled.params
        # What is written into the statement (a state, a limit) has its value; what is asked about
        # comes with each run.
        self._parameters: Final = [
            (
                name,
                _to_driver(compiled.binds[name].type, dialect),
                fixed[name],
                compiled.binds[name].required,
            )
            for name in compiled.positiontup or ()
        ]
        self._columns: Final = [
            _from_driver(column.type, dialect) for column in query.selected_columns
        ]
        self._row: Final = namedtuple(  # type: ignore[misc] # noqa: PYI024 - the columns are known at run time only
            "Row", [column.key or "_" for column in query.selected_columns], rename=True
        )

    def run(self, driver: sqlite3.Connection, values: Mapping[str, object]) -> SqliteRows:
        parameters = []
        for name, convert, fixed, is_asked in self._parameters:
            value = values[name] if is_asked else fixed
            parameters.append(value if convert is None else convert(value))
        # To the last: as long as a statement has not ended, its state of the database is held on
        # to.
        found = driver.execute(self._sql, parameters).fetchall()
        return SqliteRows(
            [
                self._row(
                    *(
                        value if convert is None else convert(value)
                        for value, convert in zip(row, self._columns, strict=True)
                    )
                )
                for row in found
            ]
        )


def _to_driver(kind: TypeEngine[Any], dialect: Dialect) -> Convert | None:
    return kind.dialect_impl(dialect).bind_processor(dialect)


def _from_driver(kind: TypeEngine[Any], dialect: Dialect) -> Convert | None:
    return kind.dialect_impl(dialect).result_processor(dialect, None)
