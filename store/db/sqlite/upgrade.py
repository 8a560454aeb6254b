"""The schema's revision: read it, reject a newer revision, migrate an older revision.

A new database gets its tables from `migrations/schema.sql`, which has the result of all migrations.
Alembic is imported only inside the functions that migrate or compare, so that neither a new store
nor opening a current one imports it.
"""

from __future__ import annotations

import os
import sqlite3
from contextlib import closing, contextmanager, suppress
from typing import TYPE_CHECKING, Final

from store.db.schema import REVISIONS
from store.db.schema_state import SchemaState, UpgradeReport
from store.db.sqlite.engine import (
    DATABASE,
    Access,
    connect,
    database_errors,
    for_writing,
    make_engine,
)
from store.db.sqlite.location import DatabaseLocation
from store.errors import IntegrityError, SchemaMismatch
from store.files.creation import create_file
from store.files.durable import sync_folder
from store.files.os_errors import translated
from store.files.write_lock import WRITE_LOCK, WriteLock
from store.model.waiting import WAIT_LIMIT_S, WAITING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from datetime import datetime
    from pathlib import Path

    from alembic.config import Config
    from sqlalchemy import Connection

    from store.model.waiting import Waiting

VERSION_TABLE: Final = "alembic_version"
_PARTIAL: Final = ".bak.partial"
"""How the name of a copy ends that is not complete."""
SCHEMA: Final = "schema.sql"
"""The script in `migrations/` that creates the tables of the newest revision."""


def read_schema_state(
    location: DatabaseLocation, wait_limit_s: float = WAIT_LIMIT_S
) -> SchemaState:
    """Return a database's revision, read without SQLAlchemy.

    Args:
        location: The database, and how to open it.
        wait_limit_s: How long to wait for a lock of another program, in seconds.

    Raises:
        IntegrityError: The file is not a SQLite database, or it is damaged.
    """
    # Reading the revision must not write, even if the store is writable.
    access = Access.READ_ONLY if location.access is Access.READ_WRITE else location.access
    with (
        database_errors(location.database),
        closing(connect(location.database, access, wait_limit_s)) as connection,
    ):
        return read_connection_state(connection)


def read_connection_state(connection: sqlite3.Connection) -> SchemaState:
    """Return the revision of the database behind a connection."""
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
    waiting: Waiting = WAITING,
    scripts: Path | None = None,
    accept: Callable[[SchemaState], None] = lambda _: None,
) -> UpgradeReport:
    """Migrate the database at ``root`` to the newest revision; create it if there is none.

    A new database gets the tables of the newest revision at once. All revisions are applied in one
    transaction. Before an existing database is changed, a copy is made beside the database:
    ``store.db.<revision>-<time>.bak``.

    Args:
        root: The store's folder.
        now: The clock; the backup has the time in its name.
        waiting: How long to wait for other writers.
        scripts: A folder with migrations, all of which make a new database; None for the shipped
            migrations.
        accept: Called with the state of the database before anything is changed.

    Raises:
        SchemaMismatch: The database is newer than this program, or belongs to another program.
        IntegrityError: The migrated rows violate a foreign key, or the tables are not those of
            their revision.
        StorageFull: There is no space for the backup or the migration.
    """
    database = root / DATABASE
    with WriteLock(root / WRITE_LOCK, waiting).held("a schema upgrade"):
        with translated(database), suppress(FileExistsError):
            # SQLite gives its log and shared memory the mode and the owner of the database.
            os.close(create_file(database))
        with (
            database_errors(database),
            closing(connect(database, Access.READ_WRITE, waiting.limit_s)) as probe,
        ):
            probe.execute("PRAGMA journal_mode=WAL")
            state = read_connection_state(probe)
            accept(state)
            require_known(state)
            if state.is_current:
                return UpgradeReport(state.current, state.head, None)
            backup = None
            if state.current is not None:
                backup = root / f"{DATABASE}.{state.current}-{now().strftime('%Y%m%dT%H%M%SZ')}.bak"
                _copy(probe, backup)
        try:
            if state.current is None and scripts is None:
                _create_tables(database, waiting.limit_s)
            else:
                _migrate(root, waiting.limit_s, scripts)
        except sqlite3.OperationalError as exc:
            # The tables are not those of the revision that the database states.
            raise IntegrityError(
                f"cannot upgrade the catalogue from revision {state.current}: {exc}",
                hint=f"nothing was changed; restore {DATABASE} from a backup",
            ) from exc
        return UpgradeReport(state.current, state.head, backup)


def _create_tables(database: Path, wait_limit_s: float) -> None:
    from importlib.resources import files  # noqa: PLC0415 - only for a new store

    script = files("migrations").joinpath(SCHEMA).read_text(encoding="utf-8")
    with (
        database_errors(database),
        closing(connect(database, Access.READ_WRITE, wait_limit_s)) as connection,
    ):
        connection.executescript(f"BEGIN IMMEDIATE;\n{script}\nCOMMIT;")


def _migrate(root: Path, wait_limit_s: float, scripts: Path | None) -> None:
    with _migrating(root, wait_limit_s) as connection:
        from alembic import command  # noqa: PLC0415 - only to migrate

        with _configured(connection, scripts) as config:
            command.upgrade(config, "head")


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
        with database_errors(engine), engine.connect() as connection:
            from alembic.autogenerate import compare_metadata  # noqa: PLC0415 - only to compare
            from alembic.migration import MigrationContext  # noqa: PLC0415

            from store.db.all_tables import metadata  # noqa: PLC0415

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
    partial = target.with_suffix(_PARTIAL)
    with translated(target):
        # An upgrade that was killed has left them; the write lock is held.
        for left in target.parent.glob(f"{DATABASE}.*{_PARTIAL}*"):
            left.unlink()
        try:
            os.close(create_file(partial))
            with closing(sqlite3.connect(partial)) as copy:
                source.backup(copy)
            descriptor = os.open(partial, os.O_RDONLY)
            try:
                os.fsync(descriptor)
            finally:
                os.close(descriptor)
            partial.replace(target)
        except BaseException:
            with suppress(OSError):
                partial.unlink(missing_ok=True)
            raise
    sync_folder(target.parent)


@contextmanager
def _migrating(root: Path, wait_limit_s: float = WAIT_LIMIT_S) -> Iterator[Connection]:
    engine = make_engine(root / DATABASE, Access.CREATE, wait_limit_s)
    try:
        with database_errors(engine), engine.connect() as connection:
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
    from importlib.resources import as_file, files  # noqa: PLC0415 - only to migrate

    from alembic.config import Config  # noqa: PLC0415

    from store.db.all_tables import metadata  # noqa: PLC0415

    with as_file(files("migrations")) as shipped:
        config = Config()
        config.set_main_option("script_location", str(scripts or shipped).replace("%", "%%"))
        config.attributes["connection"] = connection
        config.attributes["metadata"] = metadata
        yield config
