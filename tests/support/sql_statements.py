"""The statements that a store sends to its database, with their senders and SQLite's plans."""

from __future__ import annotations

import re
import sqlite3
import sys
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import Engine, event

import store
from store.db.all_tables import metadata

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import FrameType

_ROOT: Final = re.escape(str(Path(store.__file__).parents[1]))
_SENDERS: Final = re.compile(rf"^{_ROOT}/(?:store/catalog|exporter)/(?:\w+/)*(\w+)\.py$")
_PLANNED: Final = re.compile(r"^\s*(?:WITH|SELECT|INSERT|UPDATE|DELETE)\b", re.IGNORECASE)
_ALIAS: Final = re.compile(r"\b(\w+) AS \"?(\w+)\"?")
_STEP: Final = re.compile(r"SCAN (\w+)")


@dataclass(frozen=True, slots=True)
class Walk:
    """A table that a statement reads from end to end."""

    sender: str
    table: str
    step: str
    statement: str


@dataclass
class Statements:
    """The statements sent during a recording, by function, with the last parameters of each."""

    sent: dict[str, dict[str, Any]] = field(default_factory=dict)
    functions: set[str] = field(default_factory=set)
    """Every function that took part in sending a statement."""

    def note(self, statement: str, parameters: Any) -> None:  # noqa: ANN401 - whatever the driver takes
        senders = _senders()
        if not senders:
            return
        self.functions.update(senders)
        self.sent.setdefault(senders[-1], {})[statement] = parameters

    def plans(self, database: Path) -> Iterator[tuple[str, str, str]]:
        """Yield every step of every statement's plan, as function, statement and step.

        SQLite makes the plans for the database at this path. Stores do not gather statistics, so a
        plan depends on the schema and not on the number of rows.
        """
        with closing(sqlite3.connect(database)) as connection:
            for sender, statements in self.sent.items():
                for statement, parameters in statements.items():
                    one = parameters[0] if isinstance(parameters, list) else parameters
                    for *_, step in connection.execute(f"EXPLAIN QUERY PLAN {statement}", one):
                        yield sender, statement, step

    def steps(self, sender: str, database: Path) -> list[str]:
        """Return the steps of the plans of one function's statements.

        Raises:
            KeyError: The function sent no statement.
        """
        return [step for _, _, step in Statements({sender: self.sent[sender]}).plans(database)]

    def walks(self, database: Path) -> Iterator[Walk]:
        """Yield the tables that any statement reads from end to end."""
        for sender, statement, step in self.plans(database):
            match = _STEP.match(step)
            if match is not None:
                names = {alias: table for table, alias in _ALIAS.findall(statement)}
                table = names.get(match[1], str(match[1]))
                if table in metadata.tables:
                    yield Walk(sender, table, step, statement)


@contextmanager
def recorded() -> Iterator[Statements]:
    """Record every statement of every store in this process."""
    found = Statements()

    def note(
        _connection: object,
        _cursor: object,
        statement: str,
        parameters: object,
        _context: object,
        many: bool,
    ) -> None:
        del many
        if _PLANNED.match(statement):
            found.note(statement, parameters)

    event.listen(Engine, "before_cursor_execute", note)
    try:
        yield found
    finally:
        event.remove(Engine, "before_cursor_execute", note)


def _senders() -> list[str]:
    """Return the catalogue's functions on the stack, all of one module, innermost first.

    The outermost function is the sender; the other functions help it.
    """
    found: list[str] = []
    module = ""
    at: FrameType | None = sys._getframe()
    while at is not None:
        if "/migrations/versions/" in at.f_code.co_filename:
            # A migration may read whole tables, some of which are gone when it is done.
            return []
        match = _SENDERS.search(at.f_code.co_filename)
        if match is not None and module in ("", match[1]):
            module = match[1]
            if not at.f_code.co_name.startswith("<"):
                found.append(f"{module}.{at.f_code.co_name}")
        elif module:
            break
        at = at.f_back
    return found or ["?"]
