"""A check that each value in a SQLite database is of its column's type.

SQLite stores any value in any column: text in a column of integers, or text that is not UTF-8. A
statement selects the rows that may be wrong, because SQLite looks at a value many times as fast as
Python. Python decides.
"""

from __future__ import annotations

import json
import re
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import Boolean, CheckConstraint, Integer, LargeBinary, String

from store.db.faults import Fault, FaultKind
from store.db.types import TIME_FORMAT, DigestType, JsonMap, UtcTime
from store.errors import InvalidDigest, printable
from store.model.digests import Digest

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Callable, Iterator

    from sqlalchemy import Column, Table

_TIME: Final = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}\.[0-9]{6}Z")
_TIME_GLOB: Final = (
    "[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9]T[0-9][0-9]:[0-9][0-9]:[0-9][0-9]"
    ".[0-9][0-9][0-9][0-9][0-9][0-9]Z"
)
_SHOWN_CHARS: Final = 60
_NAMES: Final = frozenset({"name", "repository", "tag"})
"""Columns whose text never has a NUL. The text of a document, such as a label, may have one."""


def value_faults(connection: sqlite3.Connection, table: Table) -> Iterator[Fault]:
    """Yield the rows of a table with a value that is not of its column's type.

    Args:
        connection: A connection whose texts are read with `store.db.sqlite.text.any_text`.
        table: The table.
    """
    names = ", ".join(f'"{column.name}"' for column in table.columns)
    conditions = " OR ".join(f"({_suspicion(column)})" for column in table.columns)
    statement = f"SELECT rowid, {names} FROM {table.name} WHERE {conditions}"  # noqa: S608 - names of our schema
    for row, *values in connection.execute(statement):
        for column, value in zip(table.columns, values, strict=True):
            if not is_sensible(column, value):
                yield Fault(
                    FaultKind.SENSELESS_ROW,
                    f"row {row} of table {table.name} makes no sense: {column.name} is"
                    f" {printable(repr(value)[:_SHOWN_CHARS])}",
                    table.name,
                    row,
                )


def constraint_faults(connection: sqlite3.Connection, table: Table) -> Iterator[Fault]:
    """Yield the rows of a table that violate a constraint of it.

    SQLite's own check leaves them out if the file is opened for reading only.

    Args:
        connection: A connection to the database.
        table: The table.
    """
    for constraint in sorted(table.constraints, key=lambda one: str(one.name)):
        if not isinstance(constraint, CheckConstraint):
            continue
        condition = str(constraint.sqltext)
        for (row,) in connection.execute(
            f"SELECT rowid FROM {table.name} WHERE NOT ({condition})"  # noqa: S608 - our schema
        ):
            yield Fault(
                FaultKind.SENSELESS_ROW,
                f"row {row} of table {table.name} makes no sense: it must be that {condition}",
                table.name,
                row,
            )


def is_sensible(column: Column[Any], value: object) -> bool:
    """Return whether a value can be in a column.

    Args:
        column: The column.
        value: The value as SQLite stores it: an int, float, str or bytes, or None.
    """
    if value is None:
        return bool(column.nullable)
    if not next(check(value) for kind, check, _ in _KINDS if isinstance(column.type, kind)):
        return False
    if not isinstance(value, str):
        return True
    if "\0" in value and column.name in _NAMES:
        return False
    return len(value) <= (_length(column) or len(value))


def _is_bytes(value: object) -> bool:
    return isinstance(value, bytes)


def _is_boolean(value: object) -> bool:
    return isinstance(value, int) and value in (0, 1)


def _is_integer(value: object) -> bool:
    return isinstance(value, int)


def _is_text(value: object) -> bool:
    if not isinstance(value, str):
        return False
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return True


def _is_digest(value: object) -> bool:
    if not isinstance(value, str):
        return False
    try:
        Digest.parse(value)
    except InvalidDigest:
        return False
    return True


def _is_time(value: object) -> bool:
    if not isinstance(value, str) or not _TIME.fullmatch(value):
        return False
    try:
        datetime.strptime(value, TIME_FORMAT)  # noqa: DTZ007 - only whether it can be read
    except ValueError:
        return False
    return True


def _is_object(value: object) -> bool:
    if not isinstance(value, str) or not _is_text(value):
        return False
    try:
        return isinstance(json.loads(value), dict)
    except (ValueError, RecursionError):
        return False


_KINDS: Final[tuple[tuple[type, Callable[[object], bool], str], ...]] = (
    (LargeBinary, _is_bytes, "typeof({0}) <> 'blob'"),
    (Boolean, _is_boolean, "typeof({0}) <> 'integer' OR {0} NOT IN (0, 1)"),
    (Integer, _is_integer, "typeof({0}) <> 'integer'"),
    (
        DigestType,
        _is_digest,
        (
            "typeof({0}) <> 'text' OR length({0}) <> 71 OR substr({0}, 1, 7) <> 'sha256:'"
            " OR substr({0}, 8) GLOB '*[^0-9a-f]*'"
        ),
    ),
    (
        UtcTime,
        _is_time,
        (
            f"typeof({{0}}) <> 'text' OR {{0}} NOT GLOB '{_TIME_GLOB}' OR datetime({{0}}) IS NULL"
            # SQLite takes any month to have 31 days.
            " OR substr({0}, 9, 2) > '28'"
        ),
    ),
    (
        JsonMap,
        _is_object,
        (
            # Text that is not ASCII may not be UTF-8.
            "typeof({0}) <> 'text' OR {0} GLOB '*[^ -~]*' OR NOT json_valid({0})"
            " OR json_type({0}) <> 'object'"
        ),
    ),
    (
        String,
        _is_text,
        (
            # For SQLite's functions a NUL ends the text, but not the bytes.
            "typeof({0}) <> 'text' OR {0} GLOB '*[^ -~]*'"
            " OR length(CAST({0} AS BLOB)) <> length({0})"
        ),
    ),
)
"""For each type of columns, first the special ones: a check of a value, and an SQL condition.

The condition holds for every value for which the check fails, and for few others.
"""


def _suspicion(column: Column[Any]) -> str:
    name = f'"{column.name}"'
    condition = next(sql for kind, _, sql in _KINDS if isinstance(column.type, kind)).format(name)
    if length := _length(column):
        condition += f" OR length({name}) > {length}"
    return f"{name} IS NOT NULL AND ({condition})" if column.nullable else condition


def _length(column: Column[Any]) -> int | None:
    return column.type.length if type(column.type) is String else None
