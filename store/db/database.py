"""The interface of the catalogue's database, the same for every engine."""

from __future__ import annotations

from enum import Enum, auto
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from contextlib import AbstractContextManager
    from pathlib import Path

    from sqlalchemy import Connection, Select

    from store.db.changes import UnitListener


class Durability(Enum):
    """When a committed change becomes safe from a power cut.

    A committed change always survives the end of its process. A change is never applied in part.
    """

    SYNCED = auto()
    """A change is safe as soon as it is committed."""
    SOON = auto()
    """After the next synced change, or later. A power cut can only undo the latest changes."""


class Rows(Protocol):
    """The rows that a look-up found, with the methods of SQLAlchemy's result that callers use."""

    def one_or_none(self) -> Any:  # noqa: ANN401 - a row has the columns of its statement
        """Return the only row, or None if there is no row. Raises ValueError for several rows."""

    def scalar_one_or_none(self) -> Any:  # noqa: ANN401
        """Return the first column of the only row, or None. Raises ValueError for several rows."""

    def scalar(self) -> Any:  # noqa: ANN401
        """Return the first column of the first row, or None if there is no row."""


class Lookup(Protocol):
    """A connection that runs single statements without a transaction."""

    def execute(self, query: Select[Any], values: Mapping[str, object]) -> Rows:
        """Return the rows of ``query``.

        Args:
            query: A statement that was built once; it is compiled at its first use.
            values: A value for each of the statement's parameters, by name.
        """


class Database(Protocol):
    """An open catalogue. Threads may share this object.

    Errors of the engine are raised as `store.errors.StoreError` or its subclasses.
    """

    @property
    def is_writable(self) -> bool:
        """Whether the catalogue can be written."""

    def require_writable(self) -> None:
        """Raise an error unless the catalogue can be written.

        Raises:
            StorageFull: The disk was full when the catalogue was opened.
            ReadOnlyStore: The catalogue cannot be written.
        """

    def keep_log_small(self) -> None:
        """Keep the files beside the catalogue small, because the disk is nearly full.

        Call this before the first unit.
        """

    def read(self) -> AbstractContextManager[Connection]:
        """Return a read unit: every query inside sees the same snapshot."""

    def raw(self) -> AbstractContextManager[Connection]:
        """Return a read unit for a check: every text can be read, even if it is not UTF-8.

        Statements inside must select columns without a type (`store.catalog.checking.raw_rows`).
        """

    def look(self) -> AbstractContextManager[Lookup]:
        """Return this thread's look-ups, for queries of one statement."""

    def write(self, owner: str, durability: Durability) -> AbstractContextManager[Connection]:
        """Return a write unit: it commits at its end, and rolls back on any exception.

        Only one thread of one process is inside a write unit at a time; the others wait.

        Args:
            owner: The name of this writer; a writer that waits for it shows this name.
            durability: When the change becomes safe from a power cut.

        Raises:
            StoreBusy: Another program keeps the database locked.
            StorageFull: There is no space for the change.
            ReadOnlyStore: The database cannot be written.
        """

    def follow(self, listen: Callable[[], UnitListener]) -> None:
        """Report the rows that each write unit changes, from the next unit on.

        Args:
            listen: Returns the listener of a unit. It is called before the unit begins.
        """

    def copy(self) -> AbstractContextManager[Connection]:
        """Return a connection to a private copy of one snapshot, on which changes can be tried.

        Writers of the original need not wait. The copy is removed at the end of the block.

        Raises:
            StorageFull: There is no space for the copy in the folder for temporary files.
        """

    def check(self) -> None:
        """Check that the catalogue is still that of the store, and that it has the right schema.

        Raises:
            SchemaMismatch: Another version of the program has migrated the schema.
            Unavailable: The store's folder was moved, removed or replaced, or cannot be read.
        """

    def stuck_for(self) -> float:
        """Return for how many seconds one writer is known to hold the write lock; 0 if it is free.

        The call does not wait. It finds out about a stuck writer when it is repeated.
        """

    def write_copy(self, unit: Connection, target: Path) -> None:
        """Write the snapshot that a read unit sees to a new file, durably, for a backup.

        Running operations, leases and uploads are left out. Writers need not wait.

        Args:
            unit: A read unit of this catalogue.
            target: The new file; it is empty or does not exist.

        Raises:
            StorageFull: There is no space for the copy.
        """

    def size_bytes(self) -> int:
        """Return the size of the catalogue on disk in bytes, including its logs and backups."""

    def close(self) -> None:
        """Close all connections. All units and look-ups must have ended."""
