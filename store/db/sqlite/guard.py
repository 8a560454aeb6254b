"""Checks that an open catalogue is still that of its store, and reasons for errors of SQLite.

While a program runs, another user may move, remove or replace the store's folder, or a newer
version may migrate the schema. SQLite notices none of this.
"""

from __future__ import annotations

import sqlite3
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final, final

from store.db.schema_state import SchemaState
from store.db.sqlite.engine import DATABASE, Access
from store.db.sqlite.location import SHARED_MEMORY
from store.db.sqlite.upgrade import VERSION_TABLE, read_schema_state
from store.errors import SchemaMismatch, StoreBusy, Unavailable, printable
from store.files.lock_holders import holder
from store.model.remedies import Remedy

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from sqlalchemy import Connection

    from store.db.sqlite.location import DatabaseLocation

INTERVAL_S: Final = 1.0
"""How long a check counts for the readers that follow."""

_VERSION: Final = f"SELECT version_num FROM {VERSION_TABLE}"  # noqa: S608 - a constant of ours


@final
class Guard:
    """Refuses to use a catalogue that is not the store's any more.

    A private copy and a database on read-only media are not checked: nobody can change them.

    Args:
        root: The store's folder.
        location: The open database.
        wait_limit_s: How long SQLite waits for a lock, in seconds.
        clock: Returns the time of a clock that is never set, in seconds.
    """

    def __init__(
        self,
        root: Path,
        location: DatabaseLocation,
        wait_limit_s: float,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._root = root
        self._location = location
        self._wait_limit_s = wait_limit_s
        self._clock = clock
        self._is_own_file = (
            location.database.parent == root and location.access is not Access.IMMUTABLE
        )
        self._file: tuple[int, int] | None = None
        self._checked_at = -INTERVAL_S

    @contextmanager
    def reading(self) -> Iterator[None]:
        """Run a read. The check is repeated at intervals, because most reads take no time.

        Raises:
            SchemaMismatch: Another version of the program has migrated the schema.
            Unavailable: The store's folder was moved, removed or replaced.
        """
        self.require_checked()
        try:
            yield
        except sqlite3.OperationalError as exc:
            # A statement may fail because the tables have changed.
            self._checked_at = -INTERVAL_S
            self.check(because=exc)
            raise

    def require_checked(self) -> None:
        """Check, unless a check was made shortly before.

        Raises:
            SchemaMismatch: Another version of the program has migrated the schema.
            Unavailable: The store's folder was moved, removed or replaced.
        """
        now = self._clock()
        if now - self._checked_at >= INTERVAL_S:
            self.check()
            self._checked_at = now

    @contextmanager
    def writing(self) -> Iterator[None]:
        """Run a write, and name the process that keeps SQLite's own lock for too long.

        Raises:
            StoreBusy: Another program has kept the database locked.
            SchemaMismatch: Another version of the program has migrated the schema.
            Unavailable: The store's folder was moved, removed or replaced.
        """
        self._check_file()
        try:
            yield
        except StoreBusy as exc:
            raise self._named(exc) from exc
        except sqlite3.OperationalError as exc:
            self.check(because=exc)
            raise

    def check(self, *, because: BaseException | None = None) -> None:
        """Check the file of the database and the revision of its schema.

        Args:
            because: The error that made the check necessary.

        Raises:
            SchemaMismatch: Another version of the program has migrated the schema.
            Unavailable: The store's folder was moved, removed or replaced, or cannot be read.
        """
        self._check_file()
        if self._is_own_file:
            try:
                self._check_state(read_schema_state(self._location, self._wait_limit_s))
            except SchemaMismatch as exc:
                raise exc from because

    def check_schema(self, connection: Connection) -> None:
        """Check the revision of the schema inside a write unit, where it cannot change.

        Raises:
            SchemaMismatch: Another version of the program has migrated the schema.
        """
        driver = connection.connection.driver_connection
        assert isinstance(driver, sqlite3.Connection)  # noqa: S101 - the engine's driver
        # Every write unit asks this. The driver alone needs a tenth of the time.
        found = driver.execute(_VERSION).fetchone()
        self._check_state(SchemaState(None if found is None else str(found[0])))

    def _check_state(self, state: SchemaState) -> None:
        if not state.is_current:
            raise SchemaMismatch(
                f"the schema of the store has changed to revision {state.current} while this"
                f" program uses the store; the program needs {state.head}",
                hint="end this program, and use the version that upgraded the store",
            )

    def _check_file(self) -> None:
        if not self._is_own_file:
            return
        try:
            status = self._location.database.stat()
        except OSError as exc:
            raise Unavailable(
                f"the store at {printable(str(self._root))} was moved or removed while this program"
                f" uses it: {DATABASE} cannot be found ({exc.strerror})",
                hint="put the folder back, or start again with the folder's new name",
            ) from exc
        file = (status.st_dev, status.st_ino)
        if self._file is None:
            self._file = file
        elif file != self._file:
            raise Unavailable(
                f"the store at {printable(str(self._root))} was replaced while this program uses"
                f" it: {DATABASE} is another file now",
                hint="start the program again",
            )

    def _named(self, error: StoreBusy) -> StoreBusy:
        """Return an error that names the process that holds a lock of SQLite, if it is known."""
        if error.remedy is Remedy.WAIT_LONGER:
            return error
        process = None
        for name in (SHARED_MEMORY, DATABASE):
            # Never open these files: to close a file releases all locks of SQLite on it.
            try:
                process = process or holder((self._root / name).stat(), kind="POSIX")
            except OSError:
                continue
        return StoreBusy(
            f"cannot change the store: waited {self._wait_limit_s:g} s for"
            f" {process or 'another program'}, which has locked {DATABASE}",
            hint=error.hint,
            remedy=Remedy.WAIT_LONGER,
        )
