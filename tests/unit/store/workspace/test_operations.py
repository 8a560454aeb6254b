from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from store.catalog.in_progress import leases
from store.errors import Unavailable
from store.model.digests import Digest
from store.workspace import operations
from store.workspace.file_locks import STAGING
from store.workspace.operations import PUBLISHING

if TYPE_CHECKING:
    from pathlib import Path

    from store import Store
    from store.workspace.operations import Operation

DATA = b"staged bytes"
DIGEST = Digest.of(DATA)
ONE = "test-00000000000000000001"
TWO = "test-00000000000000000002"


def begin(store: Store, name: str = ONE) -> Operation:
    with store.write() as connection:
        return operations.begin(
            connection, store.root, store.locks, operation_id=name, kind="test", now=store.now()
        )


def names(store: Store) -> list[str]:
    with store.read() as connection:
        return list(leases.operation_ids(connection))


def publish(store: Store, operation: Operation) -> None:
    """Publish a file without inserting its row, like a process that dies before the commit."""
    operation.announce((DIGEST,))
    store.blobs.publish(((operation.stage(DATA), store.blobs.location(DIGEST)),))


def is_stored(store: Store) -> bool:
    return store.blobs.size(store.blobs.location(DIGEST)) is not None


def test_a_running_operation_is_not_swept(store: Store) -> None:
    operation = begin(store)
    publish(store, operation)
    assert len(store.sweep_operations().operations) == 0
    assert operation.folder.is_dir()
    assert is_stored(store)
    operation.release_lock()


def test_an_operation_with_a_free_lock_is_swept_with_what_it_published(store: Store) -> None:
    operation = begin(store)
    publish(store, operation)
    operation.release_lock()
    assert len(store.sweep_operations().operations) == 1
    assert not operation.folder.exists()
    assert not is_stored(store)
    assert names(store) == []
    assert len(store.sweep_operations().operations) == 0


def test_a_row_without_a_folder_and_a_folder_without_a_row_are_swept(store: Store) -> None:
    operation = begin(store)
    with store.write() as connection:
        operations.end(connection, operation)
    operation.release_lock()
    other = begin(store, TWO)
    operations.release(other)
    assert names(store) == [TWO]
    assert [path.name for path in (store.root / STAGING).iterdir()] == [ONE]
    assert len(store.sweep_operations().operations) == 2
    assert names(store) == []
    assert list((store.root / STAGING).iterdir()) == []


def test_a_failed_operation_removes_what_it_published(store: Store) -> None:
    operation = begin(store)
    publish(store, operation)
    with store.write() as connection:
        operations.abandon(connection, operation, store.blobs)
    operations.release(operation)
    assert not is_stored(store)
    assert not operation.folder.exists()


@pytest.mark.parametrize("cut", [b"", b"sha256:", b"sha256:" + b"0" * 63, b"\xff\xfe"])
def test_an_incomplete_line_of_the_list_is_ignored(store: Store, cut: bytes) -> None:
    operation = begin(store)
    publish(store, operation)
    with (operation.folder / PUBLISHING).open("ab") as file:
        file.write(cut)
    operation.release_lock()
    assert len(store.sweep_operations().operations) == 1
    assert not is_stored(store)


def test_files_have_different_names(store: Store) -> None:
    operation = begin(store)
    paths: list[Path] = [operation.new_file() for _ in range(3)]
    assert len(set(paths)) == 3
    assert {path.parent for path in paths} == {operation.folder}
    staged = operation.stage(DATA)
    assert staged not in paths
    assert staged.read_bytes() == DATA
    operation.release_lock()


def test_a_sweep_leaves_what_it_did_not_make(store: Store, tmp_path: Path) -> None:
    staging = store.root / STAGING
    (tmp_path / "precious").mkdir()
    (staging / ".DS_Store").touch()
    (staging / "lost+found").mkdir()
    (staging / "notes").mkdir()
    (staging / ONE).touch()
    (staging / TWO).symlink_to(tmp_path / "precious")
    before = sorted(staging.iterdir())
    assert len(store.sweep_operations().operations) == 0
    with store.operation("import") as running, store.write() as connection:
        operations.end(connection, running)
    assert sorted(staging.iterdir()) == before
    assert (tmp_path / "precious").is_dir()


@pytest.mark.parametrize("name", ["../precious", ".", "..", "", "import", "../../precious"])
def test_a_row_that_names_another_folder_removes_nothing(store: Store, name: str) -> None:
    (store.root / "precious").mkdir()
    (store.root.parent / "precious").mkdir()
    with store.write() as connection:
        leases.add_operation(connection, name, "import", store.now(), 1)
    assert len(store.sweep_operations().operations) == 0
    assert names(store) == []
    assert (store.root / "precious").is_dir()
    assert (store.root.parent / "precious").is_dir()
    assert (store.root / STAGING).is_dir()


def test_a_link_in_place_of_staging_is_not_followed(store: Store, tmp_path: Path) -> None:
    home = tmp_path / "home"
    (home / ONE).mkdir(parents=True)
    (store.root / STAGING).rmdir()
    (store.root / STAGING).symlink_to(home)
    with pytest.raises(Unavailable):
        store.sweep_operations()
    with pytest.raises(Unavailable), store.operation("import"):
        pass
    assert [path.name for path in home.iterdir()] == [ONE]


def test_a_prepared_list_leaves_one_sync_to_the_write_unit(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced: list[Path] = []
    monkeypatch.setattr(operations, "sync_folder", synced.append)
    operation = begin(store)
    operation.prepare_list()
    assert synced == [operation.folder]
    assert (operation.folder / PUBLISHING).read_text() == ""
    publish(store, operation)
    assert synced == [operation.folder]
    assert (operation.folder / PUBLISHING).read_text() == f"{DIGEST}\n"
    operation.release_lock()
    store.sweep_operations()
    assert not is_stored(store)
    other = begin(store, TWO)
    other.announce((DIGEST,))
    assert synced == [operation.folder, other.folder]
    other.release_lock()
