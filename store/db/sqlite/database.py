"""The catalogue in a SQLite file: units of work, look-ups, and the lock that writers wait for."""

from __future__ import annotations

import sqlite3
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final, Self, final

from sqlalchemy import event

from store.db.sqlite.engine import DATABASE, make_engine, read_unit, write_unit
from store.db.sqlite.guard import Guard
from store.db.sqlite.location import LOG, SHARED_MEMORY, DatabaseLocation
from store.db.sqlite.opening import locate
from store.db.sqlite.prepared import Lookups
from store.db.sqlite.text import any_text
from store.db.sqlite.upgrade import require_known, upgrade
from store.errors import ReadOnlyStore
from store.files.sizes import file_bytes
from store.files.space.database_room import require_room
from store.files.write_lock import WRITE_LOCK, WriteLock
from store.model.waiting import WAITING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextlib import AbstractContextManager
    from datetime import datetime
    from pathlib import Path

    from sqlalchemy import Connection

    from store.db.changes import UnitListener
    from store.db.database import Durability, Lookup
    from store.db.schema_state import SchemaState
    from store.model.waiting import Waiting


_SHORT_LOG_PAGES: Final = 64
"""The pages after which the log is merged, if the disk is nearly full."""


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
        waiting: Waiting = WAITING,
    ) -> None:
        self._root = root
        self._location = location
        self._engine = make_engine(location.database, location.access, waiting.limit_s)
        self._guard = Guard(root, location, waiting.limit_s)
        self._lookups = Lookups(self._engine, self._guard)
        self._lock = WriteLock(root / WRITE_LOCK, waiting)
        self._listen: Callable[[], UnitListener] | None = None

    @classmethod
    def open(
        cls,
        root: Path,
        *,
        read_only: bool,
        now: Callable[[], datetime],
        waiting: Waiting = WAITING,
        accept: Callable[[SchemaState], None] = lambda _: None,
    ) -> Self:
        """Open the database of the store at ``root``; upgrade an older schema after a backup.

        Args:
            root: The store's folder.
            read_only: Whether the caller only reads; such a database is never upgraded.
            now: The clock; a backup has the time in its name.
            waiting: How long to wait for other writers.
            accept: Called with the state of the schema before anything is changed.

        Raises:
            StoreNotFound: There is no store at ``root``.
            SchemaMismatch: A newer program has upgraded the schema.
            ReadOnlyStore: The schema has to be upgraded, but the database cannot be written.
            Unavailable: The file cannot be read.
        """
        location, state = locate(root, read_only=read_only)
        try:
            if not _is_current(location, state, accept):
                upgrade(root, now=now, waiting=waiting, accept=accept)
            return cls(root, location, waiting=waiting)
        except BaseException:
            location.close()
            raise

    @property
    def is_writable(self) -> bool:
        """Whether the catalogue can be written."""
        return self._location.writable

    def require_writable(self) -> None:
        """Raise an error unless the catalogue can be written.

        Raises:
            StorageFull: The disk was full when the catalogue was opened.
            ReadOnlyStore: The catalogue cannot be written.
        """
        self._location.require_room()
        if not self.is_writable:
            raise ReadOnlyStore(
                f"the store at {self._root} is read-only",
                hint="check the mount and the permissions of the store's folder",
            )

    def keep_log_small(self) -> None:
        """Merge the log into the database more often; call this before the first unit."""

        @event.listens_for(self._engine, "connect")
        def _configure(connection: sqlite3.Connection, _record: object) -> None:
            connection.execute(f"PRAGMA wal_autocheckpoint={_SHORT_LOG_PAGES}")

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """Return a read unit: every query inside sees the same snapshot."""
        with self._guard.reading(), read_unit(self._engine) as connection:
            yield connection

    @contextmanager
    def raw(self) -> Iterator[Connection]:
        """Return a read unit for a check: every text can be read, even if it is not UTF-8."""
        with self._guard.reading(), read_unit(self._engine) as connection:
            driver = connection.connection.driver_connection
            assert isinstance(driver, sqlite3.Connection)  # noqa: S101 - the engine's own
            driver.text_factory = any_text
            try:
                yield connection
            finally:
                driver.text_factory = str

    def look(self) -> AbstractContextManager[Lookup]:
        """Return this thread's look-ups, for queries of one statement."""
        return self._lookups

    @contextmanager
    def write(self, owner: str, durability: Durability) -> Iterator[Connection]:
        """Return a write unit (`store.db.database.Database.write` describes the arguments)."""
        require_room(self._location.database)
        with (
            self._guard.writing(),
            write_unit(self._engine, self._lock, owner, durability, self._listen) as connection,
        ):
            self._guard.check_schema(connection)
            yield connection

    def check(self) -> None:
        """Check that the database is still that of the store, and that it has the right schema."""
        self._guard.check()

    def stuck_for(self) -> float:
        """Return for how many seconds one writer is known to hold the write lock."""
        return self._lock.stuck_for()

    def follow(self, listen: Callable[[], UnitListener]) -> None:
        """Report the rows that each write unit changes, from the next unit on."""
        self._listen = listen

    def copy(self) -> AbstractContextManager[Connection]:
        """Return a connection to a private copy of one snapshot, on which changes can be tried."""
        from store.db.sqlite.snapshot import copied  # noqa: PLC0415 - only for a dry run

        return copied(self._engine)

    def write_copy(self, unit: Connection, target: Path) -> None:
        """Write the snapshot of a read unit to a file (`store.db.database.Database.write_copy`)."""
        from store.db.sqlite.snapshot import write_copy  # noqa: PLC0415 - only for a backup

        write_copy(unit, target)

    def size_bytes(self) -> int:
        """Return the size of the database file in bytes, including its logs and backups."""
        return sum(map(file_bytes, self._root.glob(f"{DATABASE}*")))

    def close(self) -> None:
        """Close all connections, and remove the private copy of the database, if there is one."""
        self._lookups.close()
        self._engine.dispose()
        self._location.close()


def _is_current(
    location: DatabaseLocation, state: SchemaState, accept: Callable[[SchemaState], None]
) -> bool:
    """Return whether the schema is at the revision that this program needs.

    Raises:
        SchemaMismatch: The schema is newer.
        ReadOnlyStore: The schema is older, and the store cannot be written.
        StorageFull: The schema is older, and the disk is full.
    """
    accept(state)
    require_known(state)
    if not state.is_current:
        location.require_room()
    if not state.is_current and not location.writable:
        raise ReadOnlyStore(
            f"cannot upgrade the store's schema from revision {state.current}: the store is"
            " read-only"
        )
    return state.is_current
