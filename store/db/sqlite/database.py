"""The catalogue in a SQLite file: units of work, look-ups, and the lock that writers wait for."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Self, final

from store.db.sqlite.engine import DATABASE, make_engine, read_unit, write_unit
from store.db.sqlite.location import LOG, SHARED_MEMORY, DatabaseLocation
from store.db.sqlite.prepared import Lookups
from store.db.sqlite.upgrade import read_schema_state, require_known, upgrade
from store.errors import ReadOnlyStore
from store.files.sizes import file_bytes
from store.files.write_lock import WRITE_LOCK, WriteLock

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractContextManager
    from datetime import datetime
    from pathlib import Path

    from sqlalchemy import Connection

    from store.db.database import Durability, Lookup
    from store.db.schema_state import SchemaState


@final
class SqliteDatabase:
    """A catalogue in one SQLite file; implements `store.db.database.Database`.

    Use `SqliteDatabase.open` to get an instance.
    """

    FILES: Final = (DATABASE, LOG, SHARED_MEMORY, WRITE_LOCK)
    """The names of the files in the store's folder; the first file always exists."""

    def __init__(
        self,
        root: Path,
        location: DatabaseLocation,
        *,
        on_wait: Callable[[str], None] | None = None,
    ) -> None:
        self._root = root
        self._location = location
        self._engine = make_engine(location.database, location.access)
        self._lookups = Lookups(self._engine)
        self._lock = WriteLock(root / WRITE_LOCK, on_wait)

    @classmethod
    def open(
        cls,
        root: Path,
        *,
        read_only: bool,
        now: Callable[[], datetime],
        on_wait: Callable[[str], None] | None = None,
        accept: Callable[[SchemaState], None] = lambda _: None,
    ) -> Self:
        """Open the database of the store at ``root``; upgrade an older schema after a backup.

        Args:
            root: The store's folder.
            read_only: Whether the caller only reads; such a database is never upgraded.
            now: The clock; a backup has the time in its name.
            on_wait: Called with the name of the writer that this process has to wait for.
            accept: Called with the state of the schema before anything is changed.

        Raises:
            StoreNotFound: There is no store at ``root``.
            SchemaMismatch: A newer program has upgraded the schema.
            ReadOnlyStore: The schema has to be upgraded, but the database cannot be written.
            Unavailable: The file cannot be read.
        """
        location = DatabaseLocation.at(root, read_only=read_only)
        try:
            if not _is_current(location, accept):
                upgrade(root, now=now, on_wait=on_wait, accept=accept)
            return cls(root, location, on_wait=on_wait)
        except BaseException:
            location.close()
            raise

    @property
    def is_writable(self) -> bool:
        """Whether the catalogue can be written."""
        return self._location.writable

    def read(self) -> AbstractContextManager[Connection]:
        """Return a read unit: every query inside sees the same snapshot."""
        return read_unit(self._engine)

    def look(self) -> AbstractContextManager[Lookup]:
        """Return this thread's look-ups, for queries of one statement."""
        return self._lookups.look()

    def write(self, owner: str, durability: Durability) -> AbstractContextManager[Connection]:
        """Return a write unit (`store.db.database.Database.write` describes the arguments)."""
        return write_unit(self._engine, self._lock, owner, durability)

    def copy(self) -> AbstractContextManager[Connection]:
        """Return a connection to a private copy of one snapshot, on which changes can be tried."""
        from store.db.sqlite.snapshot import copied  # noqa: PLC0415 - only for a dry run

        return copied(self._engine)

    def size_bytes(self) -> int:
        """Return the size of the database file in bytes, including its logs and backups."""
        return sum(map(file_bytes, self._root.glob(f"{DATABASE}*")))

    def close(self) -> None:
        """Close all connections, and remove the private copy of the database, if there is one."""
        self._lookups.close()
        self._engine.dispose()
        self._location.close()


def _is_current(location: DatabaseLocation, accept: Callable[[SchemaState], None]) -> bool:
    """Return whether the schema is at the revision that this program needs.

    Raises:
        SchemaMismatch: The schema is newer.
        ReadOnlyStore: The schema is older, and the store cannot be written.
    """
    state = read_schema_state(location)
    accept(state)
    require_known(state)
    if not state.is_current and not location.writable:
        raise ReadOnlyStore(
            f"cannot upgrade the store's schema from revision {state.current}: the store is"
            " read-only"
        )
    return state.is_current
