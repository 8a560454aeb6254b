"""Every statement that a store sends to its database, with the function of the catalogue that sent it, and what SQLite means to do about it."""

from __future__ import annotations

import re
import sqlite3
import sys
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import Engine, event

from store.db.schema import metadata

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path
    from types import FrameType

_SPEAKERS: Final = re.compile(r"/(?:store/catalog|exporter)/(?:\w+/)*(\w+)\.py$")
_PLANNED: Final = re.compile(r"^\s*(?:WITH|SELECT|INSERT|UPDATE|DELETE)\b", re.IGNORECASE)
_ALIAS: Final = re.compile(r"\b(\w+) AS \"?(\w+)\"?")
_STEP: Final = re.compile(r"SCAN (\w+)")


@dataclass(frozen=True, slots=True)
class Walk:
    """A table that a statement goes through from end to end."""

    speaker: str
    table: str
    step: str
    statement: str


@dataclass
class Statements:
    """What was sent while the recorder ran: for each function its statements, each with the parameters it was last sent with."""

    sent: dict[str, dict[str, Any]] = field(default_factory=dict)
    heard: set[str] = field(default_factory=set)
    """Every function that had a part in one."""

    def note(self, statement: str, parameters: Any) -> None:  # noqa: ANN401 - whatever the driver takes
        speakers = _speakers()
        self.heard.update(speakers)
        self.sent.setdefault(speakers[-1], {})[statement] = parameters

    def plans(self, database: Path) -> Iterator[tuple[str, str, str]]:
        """Every step of every statement, as (function, statement, step).

        SQLite is asked, on this database.

        Without statistics, which a store never gathers, the answer depends on the schema alone: it
        is the same however many rows there are."""
        with closing(sqlite3.connect(database)) as connection:
            for speaker, statements in self.sent.items():
                for statement, parameters in statements.items():
                    one = parameters[0] if isinstance(parameters, list) else parameters
                    for *_, step in connection.execute(f"EXPLAIN QUERY PLAN {statement}", one):
                        yield speaker, statement, step

    def steps(self, speaker: str, database: Path) -> list[str]:
        """The steps of the statements of one function. Raises KeyError when it was not heard."""
        return [step for _, _, step in Statements({speaker: self.sent[speaker]}).plans(database)]

    def walks(self, database: Path) -> Iterator[Walk]:
        """Whole tables that any of the statements goes through."""
        for speaker, statement, step in self.plans(database):
            match = _STEP.match(step)
            if match is not None:
                names = {alias: table for table, alias in _ALIAS.findall(statement)}
                table = names.get(match[1], str(match[1]))
                if table in metadata.tables:
                    yield Walk(speaker, table, step, statement)


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


def _speakers() -> list[str]:
    """The functions of the module of the catalogue that is at work, innermost first: the outermost speaks, the others help it."""
    found: list[str] = []
    module = ""
    at: FrameType | None = sys._getframe()
    while at is not None:
        match = _SPEAKERS.search(at.f_code.co_filename)
        if match is not None and module in ("", match[1]):
            module = match[1]
            if not at.f_code.co_name.startswith("<"):
                found.append(f"{module}.{at.f_code.co_name}")
        elif module:
            break
        at = at.f_back
    return found or ["?"]
