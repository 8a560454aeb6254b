from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from store.catalog.in_progress import leases
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


def begin(store: Store, name: str = "test-1") -> Operation:
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
    assert store.sweep_operations() == 0
    assert operation.folder.is_dir()
    assert is_stored(store)
    operation.release_lock()


def test_an_operation_with_a_free_lock_is_swept_with_what_it_published(store: Store) -> None:
    operation = begin(store)
    publish(store, operation)
    operation.release_lock()
    assert store.sweep_operations() == 1
    assert not operation.folder.exists()
    assert not is_stored(store)
    assert names(store) == []
    assert store.sweep_operations() == 0


def test_a_row_without_a_folder_and_a_folder_without_a_row_are_swept(store: Store) -> None:
    operation = begin(store)
    with store.write() as connection:
        operations.end(connection, operation)
    operation.release_lock()
    other = begin(store, "test-2")
    operations.release(other)
    assert names(store) == ["test-2"]
    assert [path.name for path in (store.root / STAGING).iterdir()] == ["test-1"]
    assert store.sweep_operations() == 2
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
    assert store.sweep_operations() == 1
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
