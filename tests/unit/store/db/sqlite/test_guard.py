"""A catalogue that is moved, replaced or migrated under a running program is refused."""

from __future__ import annotations

import shutil
import sqlite3
from contextlib import closing
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import text

from store.db.database import Durability
from store.db.sqlite import guard
from store.db.sqlite.database import SqliteDatabase
from store.errors import SchemaMismatch, StoreBusy, Unavailable
from store.model.remedies import Remedy
from store.model.waiting import Waiting

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from store import Store

NOW = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.fixture
def always(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(guard, "INTERVAL_S", 0)


@pytest.fixture
def database(store: Store) -> Iterator[SqliteDatabase]:
    store.close()
    found = SqliteDatabase.open(store.root, read_only=False, now=lambda: NOW, waiting=Waiting(0.1))
    read(found)
    yield found
    found.close()


def read(database: SqliteDatabase) -> None:
    with database.read() as connection:
        connection.execute(text("SELECT 1 FROM image")).all()


def look(database: SqliteDatabase) -> None:
    with database.look():
        pass


def write(database: SqliteDatabase) -> None:
    with database.write("test", Durability.SYNCED):
        pass


def check(database: SqliteDatabase) -> None:
    database.check()


USES = (read, look, write, check)


def migrate(root: Path, revision: str) -> None:
    with closing(sqlite3.connect(root / "store.db")) as connection:
        connection.execute("UPDATE alembic_version SET version_num = ?", (revision,))
        connection.commit()


@pytest.mark.usefixtures("always")
@pytest.mark.parametrize("use", USES)
@pytest.mark.parametrize("revision", ["0001", "9999"])
def test_another_revision_of_the_schema_is_refused_until_it_is_gone(
    database: SqliteDatabase, store: Store, use: Callable[[SqliteDatabase], None], revision: str
) -> None:
    with closing(sqlite3.connect(store.root / "store.db")) as connection:
        (before,) = connection.execute("SELECT version_num FROM alembic_version").fetchone()
    use(database)
    migrate(store.root, revision)
    with pytest.raises(SchemaMismatch, match=f"has changed to revision {revision}"):
        use(database)
    migrate(store.root, before)
    use(database)


@pytest.mark.parametrize("use", [read, look])
def test_readers_check_at_most_once_in_an_interval_and_writers_always(
    database: SqliteDatabase, store: Store, use: Callable[[SqliteDatabase], None]
) -> None:
    use(database)
    migrate(store.root, "9999")
    use(database)
    with pytest.raises(SchemaMismatch):
        write(database)


def test_a_statement_that_fails_because_the_tables_have_changed_is_explained(
    database: SqliteDatabase, store: Store
) -> None:
    with closing(sqlite3.connect(store.root / "store.db")) as connection:
        connection.execute("ALTER TABLE label RENAME TO labels")
        connection.execute("UPDATE alembic_version SET version_num = '9999'")
        connection.commit()
    with pytest.raises(SchemaMismatch), database.read() as connection:
        connection.execute(text("SELECT * FROM label")).all()


def test_a_fault_in_our_own_sql_stays_what_it_is(database: SqliteDatabase) -> None:
    with pytest.raises(sqlite3.OperationalError), database.read() as connection:
        connection.execute(text("SELECT * FROM nowhere")).all()
    with pytest.raises(sqlite3.OperationalError), database.write("x", Durability.SYNCED) as writing:
        writing.execute(text("SELECT * FROM nowhere")).all()


@pytest.mark.usefixtures("always")
@pytest.mark.parametrize("use", USES)
def test_a_store_that_was_moved_is_refused_until_it_is_back(
    database: SqliteDatabase, store: Store, use: Callable[[SqliteDatabase], None]
) -> None:
    moved = store.root.with_name("moved")
    store.root.rename(moved)
    with pytest.raises(Unavailable, match="was moved or removed"):
        use(database)
    # Nothing was created in the place of the store.
    assert not store.root.exists()
    moved.rename(store.root)
    use(database)


@pytest.mark.usefixtures("always")
@pytest.mark.parametrize("use", USES)
def test_a_store_in_place_of_the_opened_one_is_refused(
    database: SqliteDatabase, store: Store, use: Callable[[SqliteDatabase], None]
) -> None:
    moved = store.root.with_name("moved")
    store.root.rename(moved)
    shutil.copytree(moved, store.root)
    with pytest.raises(Unavailable, match="was replaced"):
        use(database)


def test_a_lock_of_sqlite_is_reported_with_the_limit(
    database: SqliteDatabase, store: Store
) -> None:
    with closing(sqlite3.connect(store.root / "store.db", isolation_level=None)) as connection:
        connection.execute("BEGIN IMMEDIATE")
        read(database)
        with pytest.raises(StoreBusy) as caught:
            write(database)
    assert caught.value.message.startswith("cannot change the store: waited 0.1 s for")
    assert caught.value.remedy is Remedy.WAIT_LONGER
    write(database)


def test_a_private_copy_is_not_checked(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    from store.db.sqlite import location

    store.close()
    monkeypatch.setattr(location.Conditions, "mode", lambda _conditions: location.OpenMode.COPY)
    found = SqliteDatabase.open(store.root, read_only=True, now=lambda: NOW)
    migrate(store.root, "9999")
    check(found)
    read(found)
    found.close()
