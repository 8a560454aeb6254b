from __future__ import annotations

import errno
from typing import TYPE_CHECKING

import pytest

from store import Store, errors
from store.db.schema_state import SchemaState
from store.db.sqlite import opening
from store.db.sqlite.opening import exclusive, locate
from store.errors import StoreBusy
from store.model.waiting import Waiting
from tests.support.interrupted_changes import interrupt_change
from tests.support.small_disks import full_of_bytes, full_of_files, small_disk

if TYPE_CHECKING:
    from pathlib import Path


def make(root: Path) -> None:
    """Make a store; the last connection, which could write, removes the files beside it."""
    with Store.open(root, create=True) as store, store.read():
        pass
    assert not (root / "store.db-shm").exists()


def test_a_database_is_opened_in_its_place(root: Path) -> None:
    Store.open(root, create=True).close()
    location, state = locate(root, read_only=False)
    with location:
        assert (location.database, location.writable) == (root / "store.db", True)
        assert state.is_current
        location.require_room()


def test_a_missing_store_is_not_found(tmp_path: Path) -> None:
    with pytest.raises(errors.StoreNotFound):
        locate(tmp_path / "nothing", read_only=True)


@pytest.mark.parametrize("read_only", [False, True])
def test_a_database_on_a_full_disk_is_read_from_a_copy(tmp_path: Path, *, read_only: bool) -> None:
    with small_disk(tmp_path) as disk:
        root = disk / "store"
        make(root)
        full_of_bytes(disk)
        location, state = locate(root, read_only=read_only)
        assert isinstance(state, SchemaState)
        assert state.is_current
        assert not location.writable
        assert not location.database.is_relative_to(disk)
        with pytest.raises(errors.StorageFull):
            location.require_room()
        folder = location.database.parent
        location.close()
        assert not folder.exists()


def test_a_database_without_inodes_is_read_from_a_copy(tmp_path: Path) -> None:
    with small_disk(tmp_path, files=60) as disk:
        root = disk / "store"
        make(root)
        full_of_files(disk)
        location, _ = locate(root, read_only=True)
        with location, pytest.raises(errors.StorageFull) as caught:
            location.require_room()
        assert "inode" in caught.value.message


def test_a_database_without_room_for_a_name_is_read_from_a_copy(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """xfs may have room for bytes, and none for one more name in the folder."""
    make(root)
    monkeypatch.setattr(opening, "free_bytes", lambda _: 200_000)
    monkeypatch.setattr(
        opening,
        "obstacle",
        lambda _, *, named: OSError(errno.ENOSPC, "No space left on device") if named else None,
    )
    location, state = locate(root, read_only=True)
    with location:
        assert state.is_current
        assert not location.database.is_relative_to(root)
        with pytest.raises(errors.StorageFull):
            location.require_room()


def test_commits_that_only_the_log_has_are_in_the_copy(tmp_path: Path) -> None:
    with small_disk(tmp_path) as disk:
        root = disk / "store"
        with Store.open(root, create=True) as store, store.write() as connection:
            connection.exec_driver_sql("CREATE TABLE mark (x)")
        with Store.open(root) as store:
            with store.write() as connection:
                connection.exec_driver_sql("INSERT INTO mark VALUES (7)")
            # A killed process leaves its log behind.
            log = (root / "store.db-wal").read_bytes()
        (root / "store.db-wal").write_bytes(log)
        full_of_bytes(disk)
        with Store.open(root) as store, store.read() as connection:
            assert store.read_only
            assert connection.exec_driver_sql("SELECT x FROM mark").scalar() == 7


@pytest.mark.parametrize("read_only", [False, True])
def test_a_change_that_a_dead_process_left_in_the_journal_is_undone(
    root: Path, *, read_only: bool
) -> None:
    """A process that makes a store may die before the catalogue has its log."""
    make(root)
    sound = interrupt_change(root)
    location, state = locate(root, read_only=read_only)
    with location:
        assert state.is_current
    assert (root / "store.db").read_bytes() == sound
    with Store.open(root, read_only=read_only) as store:
        assert list(store.fsck()) == []


def test_an_interrupted_change_on_a_full_disk_is_undone_in_the_copy(tmp_path: Path) -> None:
    with small_disk(tmp_path) as disk:
        root = disk / "store"
        make(root)
        sound = interrupt_change(root)
        full_of_bytes(disk)
        location, state = locate(root, read_only=True)
        with location:
            assert state.is_current
            assert location.database.read_bytes() == sound
        with Store.open(root) as store:
            assert list(store.fsck()) == []


def test_writers_wait_while_a_catalogue_is_replaced(root: Path) -> None:
    with (
        Store.open(root, create=True, waiting=Waiting(0.1)) as store,
        exclusive(root, Waiting(0.1)),
        pytest.raises(StoreBusy),
        store.write(),
    ):
        pass
