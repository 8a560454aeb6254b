"""The interface of a listener that is told about each change of the catalogue.

The engine reports rows of documents, manifests, references and repositories. So no statement that
changes such a row can forget to report the change.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, Protocol, TypeAlias

if TYPE_CHECKING:
    from sqlalchemy import Connection

Value: TypeAlias = "str | bytes | None"


class Position(NamedTuple):
    """How far a catalogue has grown. Both numbers only increase while a catalogue is in use.

    Attributes:
        content: The largest number that a row of content ever had.
        references: The largest number that a row of the log of references ever had.
    """

    content: int = 0
    references: int = 0

    def covers(self, other: Position) -> bool:
        """Return whether everything before ``other`` is also before this position."""
        return self.content >= other.content and self.references >= other.references


class UnitListener(Protocol):
    """A listener for one write unit. It must not raise: the change does not depend on it."""

    def changed(self, kind: str, values: tuple[Value, ...]) -> None:
        """Note a changed row. The unit may still be rolled back.

        Args:
            kind: The kind of the change (`store.documents.records`).
            values: The row, with digests and names instead of row numbers.
        """

    def committed(self, connection: Connection, before: Position, after: Position) -> None:
        """Note that the changes are committed. No other writer can begin before this returns.

        Args:
            connection: A connection to the catalogue, without a transaction.
            before: The position before the unit.
            after: The position after the unit.
        """
