"""The schema's revision: read it, reject a newer revision, migrate an older revision.

Alembic is imported only inside the functions that migrate or compare, so that opening a current
store does not import it.
"""

from __future__ import annotations

import importlib.resources
import os
import sqlite3
from contextlib import closing, contextmanager, suppress
from typing import TYPE_CHECKING, Final

from store.db.schema import REVISIONS, metadata
from store.db.schema_state import SchemaState, UpgradeReport
from store.db.sqlite.engine import DATABASE, Access, database_errors, for_writing, make_engine
from store.db.sqlite.location import DatabaseLocation
from store.errors import IntegrityError, SchemaMismatch
from store.files.creation import create_file
from store.files.durable import sync_folder
from store.files.os_errors import translated
from store.files.write_lock import WRITE_LOCK, WriteLock

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from datetime import datetime
    from pathlib import Path

    from alembic.config import Config
    from sqlalchemy import Connection

VERSION_TABLE: Final = "alembic_version"


def read_schema_state(location: DatabaseLocation) -> SchemaState:
    """Return a database's revision, read without SQLAlchemy.

    Args:
        location: The database, and how to open it.

    Raises:
        IntegrityError: The file is not a SQLite database, or it is damaged.
    """
    # Reading the revision must not write, even if the store is writable.
    access = Access.READ_ONLY if location.access is Access.READ_WRITE else location.access
    uri = f"{location.database.absolute().as_uri()}?mode={access.value}"
    with database_errors(), closing(sqlite3.connect(uri, uri=True)) as connection:
        return _read_state(connection)


def _read_state(connection: sqlite3.Connection) -> SchemaState:
    if not connection.execute(
        "SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = ?", (VERSION_TABLE,)
    ).fetchone():
        found = connection.execute("SELECT 1 FROM sqlite_master LIMIT 1").fetchone()
        return SchemaState(None, is_foreign=found is not None)
    row = connection.execute(f"SELECT version_num FROM {VERSION_TABLE}").fetchone()  # noqa: S608 - a constant of ours
    return SchemaState(None if row is None else str(row[0]))


def require_ours(state: SchemaState) -> None:
    """Reject a database of another program.

    Args:
        state: The revision of the database.

    Raises:
        SchemaMismatch: The database belongs to another program.
    """
    if state.is_foreign:
        raise SchemaMismatch(
            f"{DATABASE} is a database of another program", hint="choose another root"
        )


def require_known(state: SchemaState) -> None:
    """Reject a database of another program, or one that a newer program has migrated.

    Args:
        state: The revision of the database.

    Raises:
        SchemaMismatch: The database belongs to another program, or its revision is not known.
    """
    require_ours(state)
    if state.current is not None and state.current not in REVISIONS:
        raise SchemaMismatch(
            f"the store's schema is at revision {state.current}, which this program does not know"
            f" (it knows up to {state.head})",
            hint=(
                "a newer version of the program upgraded this store: use that version, or save the"
                " images with it and import them into a new store"
            ),
        )


def upgrade(
    root: Path,
    *,
    now: Callable[[], datetime],
    on_wait: Callable[[str], None] | None = None,
    scripts: Path | None = None,
    accept: Callable[[SchemaState], None] = lambda _: None,
) -> UpgradeReport:
    """Migrate the database at ``root`` to the newest revision; create it if there is none.

    All revisions are applied in one transaction. Before an existing database is changed, a copy is
    made beside the database: ``store.db.<revision>-<time>.bak``.

    Args:
        root: The store's folder.
        now: The clock; the backup has the time in its name.
        on_wait: Called with the name of the writer that this process has to wait for.
        scripts: A folder with migrations; None for the shipped migrations.
        accept: Called with the state of the database before anything is changed.

    Raises:
        SchemaMismatch: The database is newer than this program, or belongs to another program.
        IntegrityError: The migrated rows violate a foreign key.
        StorageFull: There is no space for the backup or the migration.
    """
    database = root / DATABASE
    with WriteLock(root / WRITE_LOCK, on_wait).held("a schema upgrade"):
        with translated(database), suppress(FileExistsError):
            # SQLite gives its log and shared memory the mode and the owner of the database.
            os.close(create_file(database))
        with database_errors(), closing(sqlite3.connect(database)) as probe:
            probe.execute("PRAGMA journal_mode=WAL")
            state = _read_state(probe)
            accept(state)
            require_known(state)
            if state.is_current:
                return UpgradeReport(state.current, state.head, None)
            backup = None
            if state.current is not None:
                backup = root / f"{DATABASE}.{state.current}-{now().strftime('%Y%m%dT%H%M%SZ')}.bak"
                _copy(probe, backup)
        with _migrating(root) as connection:
            from alembic import command  # noqa: PLC0415 - only to migrate

            with _configured(connection, scripts) as config:
                command.upgrade(config, "head")
        return UpgradeReport(state.current, state.head, backup)


def drift(root: Path) -> tuple[str, ...]:
    """Return the differences between the database and the tables of `store.db.schema`.

    Args:
        root: The store's folder.

    Returns:
        One line for each difference.

    Raises:
        StoreNotFound: There is no store at ``root``.
    """
    location = DatabaseLocation.at(root, read_only=True)
    engine = make_engine(location.database, location.access)
    try:
        with database_errors(), engine.connect() as connection:
            from alembic.autogenerate import compare_metadata  # noqa: PLC0415 - only to compare
            from alembic.migration import MigrationContext  # noqa: PLC0415

            context = MigrationContext.configure(
                connection, opts={"compare_type": True, "compare_server_default": True}
            )
            return tuple(repr(difference) for difference in compare_metadata(context, metadata))
    finally:
        engine.dispose()
        location.close()


def _copy(source: sqlite3.Connection, target: Path) -> None:
    # SQLite's backup includes the write-ahead log; a copy of the file would not include it. The
    # backup gets its final name when it is complete.
    partial = target.with_name(f"{target.name}.partial")
    with translated(target):
        partial.unlink(missing_ok=True)
        os.close(create_file(partial))
        with closing(sqlite3.connect(partial)) as copy:
            source.backup(copy)
        descriptor = os.open(partial, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        partial.replace(target)
    sync_folder(target.parent)


@contextmanager
def _migrating(root: Path) -> Iterator[Connection]:
    engine = make_engine(root / DATABASE, Access.CREATE)
    try:
        with database_errors(), engine.connect() as connection:
            # If foreign keys are enforced, rebuilding a parent table fires ON DELETE CASCADE. The
            # pragma has no effect inside a transaction, so it comes first.
            raw = connection.connection.driver_connection
            assert isinstance(raw, sqlite3.Connection)  # noqa: S101 - our own creator made it
            raw.execute("PRAGMA foreign_keys=OFF")
            writing = for_writing(connection)
            with writing.begin():
                yield writing
                violations = writing.exec_driver_sql("PRAGMA foreign_key_check").fetchall()
                if violations:
                    raise IntegrityError(
                        f"cannot upgrade the catalogue: {len(violations)} row(s) violate a foreign"
                        f" key, the first in table {violations[0][0]!r}"
                    )
    finally:
        engine.dispose()


@contextmanager
def _configured(connection: Connection, scripts: Path | None) -> Iterator[Config]:
    from alembic.config import Config  # noqa: PLC0415 - only to migrate

    with importlib.resources.as_file(importlib.resources.files("migrations")) as shipped:
        config = Config()
        config.set_main_option("script_location", str(scripts or shipped).replace("%", "%%"))
        config.attributes["connection"] = connection
        config.attributes["metadata"] = metadata
        yield config
