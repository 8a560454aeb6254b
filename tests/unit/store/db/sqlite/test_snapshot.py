from __future__ import annotations

import shutil
import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import func, select

from store.db.schema import event
from store.db.sqlite.engine import Access, make_engine, read_unit
from store.db.sqlite.snapshot import copied, merge_log
from store.errors import StoreError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from sqlalchemy import Engine

    from store import Store

COUNT = select(func.count()).select_from(event)
ADD = "INSERT INTO event (at, action, target, attributes) VALUES ('x', 'y', 'z', '{}')"


@pytest.fixture
def engine(store: Store) -> Iterator[Engine]:
    engine = make_engine(store.root / "store.db", Access.READ_WRITE)
    yield engine
    engine.dispose()


def test_changes_of_a_copy_do_not_reach_the_original(store: Store, engine: Engine) -> None:
    with copied(engine) as copy:
        copy.exec_driver_sql(ADD)
        assert copy.execute(COUNT).scalar() == 1
        with store.write() as connection:
            connection.exec_driver_sql(ADD)
            connection.exec_driver_sql(ADD)
        assert copy.execute(COUNT).scalar() == 1
    with read_unit(engine) as connection:
        assert connection.execute(COUNT).scalar() == 2


@pytest.mark.parametrize("fails", [False, True])
def test_a_copy_is_removed_at_the_end(
    engine: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, fails: bool
) -> None:
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(folder))
    try:
        with copied(engine):
            assert list(folder.iterdir())
            if fails:
                raise RuntimeError  # noqa: TRY301
    except RuntimeError:
        assert fails
    assert list(folder.iterdir()) == []
    shutil.rmtree(folder)


def test_a_log_is_merged_before_its_database_is_moved(store: Store, tmp_path: Path) -> None:
    with store.write() as connection:
        connection.exec_driver_sql(ADD)
    # The copy has what a process leaves that could not merge the log.
    shutil.copytree(store.root, tmp_path / "left")
    database = tmp_path / "left" / "store.db"
    assert database.with_name("store.db-wal").stat().st_size
    merge_log(database)
    assert [path.name for path in database.parent.glob("store.db-*")] == []
    with closing(sqlite3.connect(database)) as connection:
        assert connection.execute("SELECT count(*) FROM event").fetchone() == (1,)


def test_the_log_of_a_database_in_use_is_not_merged(store: Store) -> None:
    with store.read() as connection:
        assert connection.execute(COUNT).scalar() == 0
        with pytest.raises(StoreError):
            merge_log(store.root / "store.db")
