"""The behaviour that `Locks` promises, tested for every implementation."""

from __future__ import annotations

from typing import TYPE_CHECKING, final

import pytest

from store.errors import UploadInUse
from store.workspace.file_locks import STAGING, UPLOADS, FileLocks
from tests.support.images import A
from tests.support.registry_pushes import APP
from tests.support.stored_images import put_image

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from store import Store
    from store.registry.registry import Registry
    from store.workspace.locks import Lock, Locks


@final
class MemoryLocks:
    """Locks that are held in memory, for a store that only one process uses."""

    def __init__(self) -> None:
        self._held: set[str] = set()

    def lock_operation(self, operation_id: str) -> MemoryLock | None:
        return self._lock(f"operation {operation_id}")

    def lock_upload(self, upload_id: str) -> MemoryLock | None:
        return self._lock(f"upload {upload_id}")

    def lock_scrub(self) -> MemoryLock | None:
        return self._lock("scrub")

    def lock_task(self, name: str) -> MemoryLock | None:
        return self._lock(f"task {name}")

    def sweep_tasks(self) -> None:
        """A task that was killed leaves nothing."""

    def _lock(self, name: str) -> MemoryLock | None:
        if name in self._held:
            return None
        self._held.add(name)
        return MemoryLock(lambda: self._held.remove(name))


@final
class MemoryLock:
    descriptors = ()

    def __init__(self, release: Callable[[], None]) -> None:
        self.release = release


@pytest.fixture(params=["files", "memory"])
def locks(request: pytest.FixtureRequest, tmp_path: Path) -> Locks:
    if request.param == "memory":
        return MemoryLocks()
    for name in ("one", "two"):
        (tmp_path / STAGING / name).mkdir(parents=True)
        (tmp_path / UPLOADS).mkdir(exist_ok=True)
        (tmp_path / UPLOADS / name).touch()
    return FileLocks(tmp_path)


def lock_functions(locks: Locks) -> list[Callable[[str], Lock | None]]:
    return [locks.lock_operation, locks.lock_upload, locks.lock_task]


def test_one_scrub_runs_at_a_time(locks: Locks, tmp_path: Path) -> None:
    (tmp_path / "blobs").mkdir()
    held = locks.lock_scrub()
    assert held is not None
    assert locks.lock_scrub() is None
    held.release()
    again = locks.lock_scrub()
    assert again is not None
    again.release()


def test_a_lock_is_held_once_until_it_is_released(locks: Locks) -> None:
    for lock in lock_functions(locks):
        held = lock("one")
        assert held is not None
        assert lock("one") is None
        held.release()
        again = lock("one")
        assert again is not None
        again.release()


def test_locks_of_other_operations_and_uploads_are_independent(locks: Locks) -> None:
    held = [lock(name) for lock in lock_functions(locks) for name in ("one", "two")]
    for lock in held:
        assert lock is not None
        lock.release()


def test_something_without_files_can_be_locked(locks: Locks) -> None:
    for lock in lock_functions(locks):
        held = lock("missing")
        assert held is not None
        held.release()


def test_a_store_runs_with_other_locks(store: Store, registry: Registry) -> None:
    store.locks = MemoryLocks()
    image_id = put_image(store, A, tags=("x:1",))
    with store.operation("test"):
        assert len(store.sweep_operations().operations) == 0
    assert store.inspect("x:1").image_id == image_id
    upload_id = registry.uploads.begin(APP)
    with registry.uploads.resume(APP, upload_id), pytest.raises(UploadInUse):
        registry.uploads.resume(APP, upload_id)
    registry.uploads.cancel(APP, upload_id)
