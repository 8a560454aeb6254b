from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from store import Store, errors
from store.catalog.events import Event
from store.model.digests import Digest
from store.workspace.running import leased, operation
from tests.conftest import NOW
from tests.support.small_disks import full_of_bytes, small_disk

if TYPE_CHECKING:
    from pathlib import Path


def test_a_failed_operation_frees_the_disk_that_it_has_filled(tmp_path: Path) -> None:
    with small_disk(tmp_path) as disk, Store.open(disk / "store", create=True) as store:

        def fill() -> None:
            with operation(store, "test") as running:
                full_of_bytes(running.folder, running.new_file().name)
                # Now the catalogue cannot be written either, so the operation cannot be ended.
                with store.write() as connection:
                    connection.exec_driver_sql("CREATE TABLE large AS SELECT zeroblob(200000) b")

        with pytest.raises(errors.StorageFull):
            fill()
        assert list((store.root / "staging").iterdir()) == []
        assert store.dead_operations().operations == []


def test_announced_blobs_are_removed_although_staged_files_go_first(store: Store) -> None:
    digest = Digest.of(b"data")

    def publish_and_fail() -> None:
        with operation(store, "test") as running:
            path = running.stage(b"data")
            running.announce((digest,))
            store.blobs.publish(((path, store.blobs.location(digest)),))
            raise RuntimeError

    with pytest.raises(RuntimeError):
        publish_and_fail()
    assert store.blobs.size(store.blobs.location(digest)) is None


def test_an_operation_that_fails_on_a_full_disk_removes_what_it_has_published(
    tmp_path: Path,
) -> None:
    digest = Digest.of(b"data")
    with small_disk(tmp_path) as disk, Store.open(disk / "store", create=True) as store:

        def publish_and_fail() -> None:
            with operation(store, "test") as running:
                path = running.stage(b"data")
                running.announce((digest,))
                store.blobs.publish(((path, store.blobs.location(digest)),))
                # Others fill the disk, so that even this removal needs the reserve.
                full_of_bytes(disk)
                with store.write():
                    pass

        with pytest.raises(errors.StorageFull):
            publish_and_fail()
        assert store.blobs.size(store.blobs.location(digest)) is None
        assert list((store.root / "staging").iterdir()) == []
        assert store.dead_operations().operations == []


def test_a_store_on_a_full_disk_lends_a_folder_elsewhere(tmp_path: Path) -> None:
    with small_disk(tmp_path) as disk:
        with Store.open(disk / "store", create=True) as store, store.read():
            pass
        full_of_bytes(disk)
        with Store.open(disk / "store") as store, leased(store, "save", ()) as folder:
            assert not folder.is_relative_to(disk)
            (folder / "file").write_bytes(b"x")


def test_what_a_reader_can_do_without_is_left_out_on_a_full_disk(
    store: Store, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise errors.StorageFull("no room")

    monkeypatch.setattr(store, "write_operation", refuse)
    monkeypatch.setattr(store, "write", refuse)
    with leased(store, "save", ()) as folder:
        assert not folder.is_relative_to(store.root)
    store.record([Event(NOW, "save", "x", {})])
    store.record_reads([Event(NOW, "save", "x", {})], "anonymous")
    assert [record.message for record in caplog.records] == [
        "reading without leases: no room",
        "cannot record events: no room",
        "cannot record reads: no room",
    ]


def test_a_lease_that_cannot_be_ended_is_swept_later(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise errors.StorageFull("no room")

    with leased(store, "save", ()) as folder:
        monkeypatch.setattr(store, "write_operation", refuse)
    monkeypatch.undo()
    assert not folder.exists()
    assert len(store.sweep_operations().operations) == 1
