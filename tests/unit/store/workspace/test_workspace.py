from __future__ import annotations

import shutil
from contextlib import nullcontext
from typing import TYPE_CHECKING, cast
from unittest.mock import Mock

import pytest

from store import errors
from store.catalog import events
from store.catalog.events import Event
from store.db.database import Durability
from store.model.digests import Digest
from store.workspace.workspace import Workspace
from tests.conftest import NOW
from tests.support.images import A, config
from tests.support.registry_pushes import push_blob
from tests.support.stored_images import put_image

if TYPE_CHECKING:
    from contextlib import AbstractContextManager
    from pathlib import Path

    from sqlalchemy import Connection

    from store import Store
    from store.db.database import Database
    from store.registry.registry import Registry


class RecordingDatabase:
    """A fake `Database` that records the owner and the durability of each opened write unit."""

    def __init__(self, *, is_writable: bool) -> None:
        self.is_writable = is_writable
        self.written: list[tuple[str, Durability]] = []
        self.is_closed = False

    def require_writable(self) -> None:
        if not self.is_writable:
            raise errors.ReadOnlyStore("read-only")

    def write(self, owner: str, durability: Durability) -> AbstractContextManager[Connection]:
        self.written.append((owner, durability))
        return nullcontext(Mock())

    def close(self) -> None:
        self.is_closed = True


def test_write_units_name_their_owner_and_durability(tmp_path: Path) -> None:
    database = RecordingDatabase(is_writable=True)
    with Workspace(tmp_path, cast("Database", database), clock=lambda: NOW) as workspace:
        with workspace.write():
            pass
        with workspace.write("gc", Durability.SOON):
            pass
    assert database.written == [("storectl", Durability.SYNCED), ("gc", Durability.SOON)]
    assert database.is_closed


def test_a_database_that_cannot_be_written_makes_a_read_only_store(tmp_path: Path) -> None:
    database = RecordingDatabase(is_writable=False)
    workspace = Workspace(tmp_path, cast("Database", database), clock=lambda: NOW)
    assert workspace.read_only
    with pytest.raises(errors.ReadOnlyStore), workspace.write():
        pass
    assert database.written == []


def test_a_store_is_made_only_if_asked(tmp_path: Path) -> None:
    root = tmp_path / "new" / "store"
    for read_only, create in ((False, False), (True, False), (True, True)):
        with pytest.raises(errors.StoreNotFound):
            Workspace.open(root, read_only=read_only, create=create)
    assert not root.exists()
    Workspace.open(root, create=True).close()
    Workspace.open(root).close()


def test_a_store_on_several_file_systems_is_rejected(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    def reject(root: Path) -> None:
        raise errors.Unavailable(str(root))

    monkeypatch.setattr("store.workspace.workspace.require_one_file_system", reject)
    with pytest.raises(errors.Unavailable):
        Workspace.open(store.root)


def test_leased_content_is_not_collected_before_the_block_ends(
    store: Store, registry: Registry
) -> None:
    digest = push_blob(registry, b"leased")
    with store.leased("save", (digest, Digest.of(b"unknown"))) as folder:
        assert folder.is_dir()
        registry.delete_blob(registry.holders(digest)[0], digest)
        assert store.collect().blobs == ()
    assert not folder.exists()
    assert store.collect().blobs == (digest,)


def test_a_read_only_store_leases_nothing_and_lends_a_temporary_folder(store: Store) -> None:
    with (
        Workspace.open(store.root, read_only=True) as reading,
        reading.leased("save", (Digest.of(b"x"),)) as folder,
    ):
        assert folder.is_dir()
        assert not folder.is_relative_to(store.root)
    assert not folder.exists()


def test_a_failed_operation_leaves_nothing(store: Store) -> None:
    with pytest.raises(RuntimeError), store.operation("test") as operation:
        operation.stage(b"data")
        raise RuntimeError
    assert not operation.folder.exists()
    assert len(store.sweep_operations().operations) == 0


def test_an_operation_that_cannot_be_ended_is_left_to_the_next_one(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise errors.StorageFull("full")

    with pytest.raises(errors.StorageFull), store.operation("test") as operation:
        monkeypatch.setattr(store, "write_operation", refuse)
        raise RuntimeError
    monkeypatch.undo()
    assert operation.folder.exists()
    assert len(store.sweep_operations().operations) == 1
    assert not operation.folder.exists()


def test_documents_are_verified_and_only_inline_ones_are_returned(
    store: Store, registry: Registry
) -> None:
    image_id = put_image(store, A, tags=("x:1",))
    blob = push_blob(registry, b"in a file")
    assert store.document(image_id.digest) == config(A)
    assert store.document(blob) is None
    assert store.document(Digest.of(b"unknown")) is None
    assert store.read_whole(blob) == b"in a file"
    with store.write() as connection:
        connection.exec_driver_sql("UPDATE document SET bytes = x'00'")
    with pytest.raises(errors.DamagedContent):
        store.document(image_id.digest)


def test_events_are_recorded_if_the_store_can_be_written(store: Store) -> None:
    event = Event(NOW, "save", "x", {})
    with Workspace.open(store.root, read_only=True) as reading:
        reading.record((event,))
    assert list(store.events()) == []
    store.record((event,))
    assert list(store.events()) == [event]


def test_reads_of_a_reader_are_recorded_once(store: Store) -> None:
    reads = [Event(NOW, "save", target, {}) for target in "ab"]
    with Workspace.open(store.root, read_only=True) as reading:
        reading.record_reads(reads, "anonymous")
    assert list(store.events()) == []
    store.record_reads(reads[:1], "anonymous")
    for _ in range(2):
        store.record_reads(reads, "anonymous")
    store.record_reads(reads[:1], "user:alice")
    assert list(store.events()) == [*reads, reads[0]]


def test_reads_of_a_reader_have_a_ceiling(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(events, "MAX_READ_EVENTS", 3)
    reads = [Event(NOW, "save", str(number), {}) for number in range(5)]
    for read in reads:
        store.record_reads((read,), "anonymous")
    assert list(store.events()) == reads[-3:]


def test_changes_of_a_copy_of_the_catalogue_are_dropped(store: Store) -> None:
    put_image(store, A)
    with store.catalogue_copy() as copy:
        copy.exec_driver_sql("DELETE FROM event")
    assert list(store.events())
    assert store.catalogue_bytes() > 0
    shutil.rmtree(store.root)
