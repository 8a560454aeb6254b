from __future__ import annotations

import sqlite3
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import Column, Integer, MetaData, Table, select
from sqlalchemy.dialects.sqlite.pysqlite import SQLiteDialect_pysqlite

from store import errors
from store.db.database import Durability
from store.db.sqlite.engine import (
    COMPILED,
    Access,
    StoreDialect,
    database_errors,
    make_engine,
    read_unit,
    require_newer_sqlite,
    write_unit,
)
from store.files.write_lock import WriteLock
from tests.support.sqlite_errors import BRANCHES, refused

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from sqlalchemy import Engine

NUMBERS = Table("numbers", MetaData(), Column("number", Integer))
FULL, NORMAL = 2, 1
"""The numbers that ``PRAGMA synchronous`` of SQLite returns for the settings."""


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Engine]:
    engine = make_engine(tmp_path / "some.db", Access.CREATE)
    yield engine
    engine.dispose()


@pytest.fixture
def lock(tmp_path: Path) -> WriteLock:
    return WriteLock(tmp_path / "write.lock")


@pytest.mark.parametrize(("name", "error"), BRANCHES)
def test_errors_of_sqlite_have_their_branch(name: str, error: type[Exception]) -> None:
    with pytest.raises(errors.StoreError) as caught, database_errors():
        raise refused(name)
    assert type(caught.value) is error


def test_an_error_of_our_own_sql_stays_as_it_is() -> None:
    with pytest.raises(sqlite3.OperationalError), database_errors():
        raise refused("SQLITE_ERROR")


def test_errors_of_connecting_are_translated(tmp_path: Path) -> None:
    engine = make_engine(tmp_path / "nothing.db", Access.READ_ONLY)
    with pytest.raises(errors.PermissionDenied), read_unit(engine):
        pass
    engine.dispose()


@pytest.mark.parametrize(
    ("durability", "setting"), [(Durability.SYNCED, FULL), (Durability.SOON, NORMAL)]
)
def test_a_write_unit_has_its_own_durability_on_a_reused_connection(
    engine: Engine, lock: WriteLock, durability: Durability, setting: int
) -> None:
    for other in Durability:
        with write_unit(engine, lock, "first", other):
            pass
        with write_unit(engine, lock, "second", durability) as connection:
            found = connection.exec_driver_sql("PRAGMA synchronous").scalar()
        assert found == setting


def test_a_write_unit_covers_statements_that_change_the_schema(
    engine: Engine, lock: WriteLock
) -> None:
    with pytest.raises(RuntimeError), write_unit(engine, lock, "test") as connection:
        connection.exec_driver_sql("CREATE TABLE half (x)")
        raise RuntimeError
    with read_unit(engine) as connection:
        assert connection.exec_driver_sql("SELECT count(*) FROM sqlite_master").scalar() == 0


def test_foreign_keys_are_enforced(engine: Engine, lock: WriteLock) -> None:
    with write_unit(engine, lock, "test") as connection:
        connection.exec_driver_sql("CREATE TABLE parent (id INTEGER PRIMARY KEY)")
        connection.exec_driver_sql("CREATE TABLE child (id INTEGER REFERENCES parent (id))")
    with pytest.raises(sqlite3.IntegrityError), write_unit(engine, lock, "test") as connection:
        connection.exec_driver_sql("INSERT INTO child VALUES (1)")


def test_a_file_name_is_not_read_as_part_of_the_uri(tmp_path: Path) -> None:
    engine = make_engine(tmp_path / "a?mode=ro&x#y%41.db", Access.CREATE)
    with read_unit(engine):
        pass
    engine.dispose()
    assert (tmp_path / "a?mode=ro&x#y%41.db").exists()


def test_a_second_store_compiles_no_statement_again(tmp_path: Path) -> None:
    sizes = []
    for name in ("one", "two"):
        engine = make_engine(tmp_path / name, Access.CREATE)
        with engine.begin() as connection:
            connection.exec_driver_sql("CREATE TABLE numbers (number INTEGER)")
            connection.execute(NUMBERS.insert().values(number=7))
            assert connection.execute(select(NUMBERS.c.number)).scalar_one() == 7
        sizes.append(len(COMPILED))
        engine.dispose()
    assert sizes[0] == sizes[1] > 0


def test_only_dialects_of_stores_are_equal() -> None:
    assert StoreDialect() == StoreDialect()
    assert len({StoreDialect(), StoreDialect()}) == 1
    assert StoreDialect() != SQLiteDialect_pysqlite()


def test_an_old_sqlite_is_named_with_the_version_that_is_needed() -> None:
    require_newer_sqlite((3, 35, 0))
    with pytest.raises(errors.Unavailable, match=r"SQLite 3\.34\.1, and storectl needs 3\.35\.0"):
        require_newer_sqlite((3, 34, 1))
