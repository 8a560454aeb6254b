"""SQLite's own check of a database: pages, indexes, constraints, foreign keys, and the schema.

The file may be malformed anywhere, so each statement may fail. A statement that fails is a fault,
and the check goes on with the next.
"""

from __future__ import annotations

import sqlite3
from contextlib import closing
from functools import cache
from typing import TYPE_CHECKING, Any, Final

from store.db.all_tables import metadata
from store.db.faults import Fault, FaultKind
from store.db.schema import HEAD
from store.db.sqlite.engine import Access, connect, database_errors
from store.db.sqlite.log_check import log_faults
from store.db.sqlite.opening import place
from store.db.sqlite.text import any_text
from store.db.sqlite.upgrade import VERSION_TABLE, read_connection_state
from store.db.sqlite.values import constraint_faults, value_faults
from store.errors import IntegrityError, StoreError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

_WAIT_S: Final = 5.0
"""How long a check waits for a lock of another program, in seconds."""

MAX_FAULTS: Final = 100
"""The most faults of one kind that are reported, as in SQLite's own check."""

_MALFORMED: Final = ("SQLITE_CORRUPT", "SQLITE_NOTADB", "SQLITE_ERROR", "SQLITE_FORMAT")
"""Names of the errors that say something about the file, and not about the moment."""


def faults(root: Path) -> Iterator[Fault]:
    """Yield what is wrong with the database at ``root``: the log first, before SQLite opens it.

    Nothing is written, but an unfinished change is undone. The database may be in use.

    Args:
        root: The store's folder, which has a database file.
    """
    try:
        yield from log_faults(root)
        with place(root, read_only=True) as location:
            # A private copy may be written, but there is no need to.
            access = location.access
            mode = Access.READ_ONLY if access is Access.READ_WRITE else access
            with (
                database_errors(),
                closing(connect(location.database, mode, _WAIT_S)) as connection,
            ):
                connection.text_factory = any_text
                yield from _database_faults(connection)
    except IntegrityError as exc:
        yield Fault(FaultKind.DATABASE, exc.message)
    except StoreError as exc:
        yield Fault(FaultKind.UNREADABLE, exc.message)


def _database_faults(connection: sqlite3.Connection) -> Iterator[Fault]:
    connection.execute("PRAGMA trusted_schema=OFF")
    # A page whose cells reach outside of it is reported, and not read.
    connection.execute("PRAGMA cell_size_check=ON")
    yield from _guarded(_integrity(connection))
    yield from _guarded(_broken_links(connection))
    try:
        state = read_connection_state(connection)
        is_unmade = state.current is None and not state.is_foreign
        is_current = not is_unmade and _revision(connection) == HEAD
    except (sqlite3.Error, StoreError, UnicodeDecodeError):
        is_current = True
    if is_current:
        # An older schema has other tables. It is upgraded when the store is opened. A new store
        # that was interrupted has none yet; it is refused there if the store has content.
        yield from _guarded(_schema(connection))
        for table in metadata.sorted_tables:
            yield from _guarded(value_faults(connection, table), table.name)
            yield from _guarded(constraint_faults(connection, table), table.name)


def _guarded(found: Iterator[Fault], table: str | None = None) -> Iterator[Fault]:
    """Yield faults; if the statement that finds them fails, yield this as a fault and end."""
    try:
        yield from found
    except UnicodeDecodeError as exc:
        # The driver cannot decode an error that quotes a damaged name of the schema.
        yield Fault(FaultKind.DATABASE, f"the catalogue is malformed: a name is not UTF-8: {exc}")
    except sqlite3.Error as exc:
        if not getattr(exc, "sqlite_errorname", "SQLITE_ERROR").startswith(_MALFORMED):
            raise
        where = "" if table is None else f" in table {table}"
        yield Fault(FaultKind.DATABASE, f"the catalogue is malformed{where}: {exc}", table)


def _integrity(connection: sqlite3.Connection) -> Iterator[Fault]:
    """Yield what ``integrity_check`` finds: malformed pages, wrong indexes, failed constraints."""
    for (text,) in connection.execute(f"PRAGMA integrity_check({MAX_FAULTS})"):
        # One row may have several lines.
        for line in text.splitlines():
            if line != "ok" and not line.startswith("***"):
                yield Fault(FaultKind.DATABASE, f"the catalogue is malformed: {line}")


def _broken_links(connection: sqlite3.Connection) -> Iterator[Fault]:
    for count, (table, row, parent, _) in enumerate(connection.execute("PRAGMA foreign_key_check")):
        if count == MAX_FAULTS:
            yield Fault(FaultKind.BROKEN_LINK, "more rows point at rows that do not exist")
            return
        yield Fault(
            FaultKind.BROKEN_LINK,
            f"row {row} of table {table} points at a row of table {parent} that does not exist",
            table,
            row,
        )


# --- the schema -----------------------------------------------------------------------------------


def _revision(connection: sqlite3.Connection) -> object:
    """Return the revision of the schema; None if it is not recorded once."""
    rows = connection.execute(f"SELECT version_num FROM {VERSION_TABLE}").fetchall()  # noqa: S608 - a constant of ours
    return rows[0][0] if len(rows) == 1 else None


def _schema(connection: sqlite3.Connection) -> Iterator[Fault]:
    """Yield the columns, foreign keys and indexes that are not those of this program."""
    want, found = expected(), _described(connection, metadata.tables)
    for table, facts in want.items():
        for fact in sorted(facts.symmetric_difference(found[table]), key=repr):
            words = f"{fact[0]} ({', '.join(map(str, fact[1:]))})"
            yield Fault(
                FaultKind.SCHEMA,
                f"table {table} of the catalogue"
                f" {'lacks the' if fact in facts else 'has an unknown'} {words}",
                table,
            )


@cache
def expected() -> dict[str, set[tuple[Any, ...]]]:
    """Return the columns, foreign keys and indexes of each table, as SQLite describes them."""
    from sqlalchemy import create_engine  # noqa: PLC0415 - only for a check
    from sqlalchemy.pool import StaticPool  # noqa: PLC0415

    engine = create_engine("sqlite+pysqlite://", poolclass=StaticPool)
    try:
        metadata.create_all(engine)
        with engine.connect() as connection:
            raw = connection.connection.driver_connection
            assert isinstance(raw, sqlite3.Connection)  # noqa: S101 - made above
            return _described(raw, metadata.tables)
    finally:
        engine.dispose()


def _described(
    connection: sqlite3.Connection, tables: Iterable[str]
) -> dict[str, set[tuple[Any, ...]]]:
    found: dict[str, set[tuple[Any, ...]]] = {}
    for table in tables:
        facts: set[tuple[Any, ...]] = set()
        for _, name, kind, not_null, default, key, hidden in connection.execute(
            f"PRAGMA table_xinfo({table})"
        ):
            facts.add(("column", name, kind.upper(), bool(not_null), default, key, hidden))
        for row in connection.execute(f"PRAGMA foreign_key_list({table})"):
            _, _, parent, column, target, on_update, on_delete, match = row
            facts.add(("foreign key", column, parent, target or "", on_update, on_delete, match))
        for _, name, unique, origin, partial in connection.execute(f"PRAGMA index_list({table})"):
            columns = tuple(
                (column, down, collation)
                for _, _, column, down, collation, is_key in connection.execute(
                    f"PRAGMA index_xinfo({name})"
                )
                if is_key
            )
            condition = _condition(connection, name) if partial else ""
            # The names of the indexes behind constraints are numbered as SQLite makes them.
            label = name if origin == "c" else origin
            facts.add(("index", label, unique, columns, condition))
        found[table] = facts
    return found


def _condition(connection: sqlite3.Connection, index: str) -> str:
    """Return the condition of a partial index, without spaces and quotes."""
    row = connection.execute(
        "SELECT sql FROM sqlite_master WHERE type = 'index' AND name = ?", (index,)
    ).fetchone()
    text = str(row[0]) if row else ""
    _, _, condition = text.partition(" WHERE ")
    return "".join(char for char in condition if char not in ' \n\t"`[]()')


def is_sound(root: Path) -> bool:
    """Return whether the database at ``root`` has the tables of a store, and no damaged page.

    Args:
        root: The store's folder. Its database file exists and is not empty.
    """
    try:
        with (
            place(root, read_only=True) as location,
            closing(connect(location.database, Access.READ_ONLY, _WAIT_S)) as connection,
        ):
            (found,) = connection.execute("PRAGMA quick_check(1)").fetchone()
            state = read_connection_state(connection)
    except (StoreError, sqlite3.Error):
        return False
    return found == "ok" and not state.is_foreign and state.current is not None
