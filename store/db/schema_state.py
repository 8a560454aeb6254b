"""The revision of a database's schema, and the result of an upgrade."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, final

from store.db.schema import HEAD

if TYPE_CHECKING:
    from pathlib import Path


@final
@dataclass(frozen=True, slots=True)
class SchemaState:
    """The revision of a database's schema, and the revision that this program needs.

    Attributes:
        current: The database's revision; None if it has no tables yet.
        head: The revision that this program needs.
        is_foreign: Whether the database has the tables of another program.
    """

    current: str | None
    head: str = HEAD
    is_foreign: bool = False

    @property
    def is_current(self) -> bool:
        """Whether the database has the revision that this program needs."""
        return self.current == self.head


@final
@dataclass(frozen=True, slots=True)
class UpgradeReport:
    """The result of an upgrade.

    Attributes:
        before: The revision before the upgrade; None if the upgrade created the database.
        after: The revision after the upgrade.
        backup: Path of the copy that was made before the upgrade; None if no copy was made,
            because the database is new or current.
    """

    before: str | None
    after: str
    backup: Path | None
