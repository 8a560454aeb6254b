"""What an engine's own check finds wrong with a catalogue."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import final


class FaultKind(StrEnum):
    """The kinds of faults that an engine finds."""

    LOG = "damaged-log"
    """Committed changes in the write-ahead log cannot be read."""
    DATABASE = "damaged-catalogue"
    """A page of the database, or an index, is malformed."""
    SCHEMA = "wrong-schema"
    """A table or index is missing, or is not the one that this program made."""
    BROKEN_LINK = "broken-link"
    """A row points at a row that does not exist."""
    SENSELESS_ROW = "senseless-row"
    """A value is not of its column's type."""
    UNREADABLE = "unreadable"
    """The files cannot be read now, so nothing is known."""


@final
@dataclass(frozen=True, slots=True)
class Fault:
    """One fault of a catalogue.

    Attributes:
        kind: The kind of the fault.
        message: The fact, in one line.
        table: The table concerned; None if it is not known.
        row: The row's number in its table; None if it is not known.
    """

    kind: FaultKind
    message: str
    table: str | None = None
    row: int | None = None
