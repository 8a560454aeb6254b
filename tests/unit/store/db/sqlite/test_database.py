from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from store import Store, errors
from store.db.database import Durability
from store.db.sqlite.database import SqliteDatabase
from store.model.waiting import WAITING, Waiting
from tests.conftest import NOW

if TYPE_CHECKING:
    from pathlib import Path


def opened(root: Path, *, read_only: bool = False, waiting: Waiting = WAITING) -> SqliteDatabase:
    return SqliteDatabase.open(root, read_only=read_only, now=lambda: NOW, waiting=waiting)


def set_revision(root: Path, revision: str) -> None:
    database = opened(root)
    with database.write("test", Durability.SYNCED) as connection:
        connection.exec_driver_sql("UPDATE alembic_version SET version_num = ?", (revision,))
    database.close()


def test_a_folder_without_a_database_holds_no_store(tmp_path: Path) -> None:
    with pytest.raises(errors.StoreNotFound):
        opened(tmp_path)


@pytest.mark.parametrize("read_only", [False, True])
def test_a_current_database_opens_as_asked(store: Store, *, read_only: bool) -> None:
    database = opened(store.root, read_only=read_only)
    assert database.is_writable is not read_only
    database.close()


def test_a_newer_schema_is_rejected(store: Store) -> None:
    set_revision(store.root, "9999")
    with pytest.raises(errors.SchemaMismatch, match="9999"):
        opened(store.root)


def test_an_older_schema_is_not_read_without_an_upgrade(store: Store) -> None:
    set_revision(store.root, "0001")
    with pytest.raises(errors.ReadOnlyStore, match="0001"):
        opened(store.root, read_only=True)


def test_backups_count_as_part_of_the_catalogue(store: Store) -> None:
    database = opened(store.root)
    before = database.size_bytes()
    (store.root / "store.db.0001-20260101T000000Z.bak").write_bytes(bytes(1000))
    (store.root / "other.db").write_bytes(bytes(1000))
    assert database.size_bytes() == before + 1000
    database.close()


def test_any_text_can_be_read_in_a_raw_unit_and_only_there(store: Store) -> None:
    odd = "SELECT CAST(x'61ff' AS TEXT)"
    database = opened(store.root)
    with database.raw() as connection:
        assert connection.exec_driver_sql(odd).scalar() == "a\udcff"
    for _ in range(2):
        with database.read() as connection:
            assert connection.exec_driver_sql("SELECT 'ä'").scalar() == "ä"
    database.close()
