from __future__ import annotations

import fcntl
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from store.blobs.folders import DOWNLOADS
from store.errors import Unavailable
from store.workspace.file_locks import STAGING, UPLOADS, FileLocks
from tests.support.other_users import as_root

HOLD = (
    "import sys; from pathlib import Path; from store.workspace.file_locks import FileLocks\n"
    "lock = FileLocks(Path(sys.argv[1])).lock_operation('one')\n"
    "print(lock is not None, flush=True); sys.stdin.read()"
)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / STAGING / "one").mkdir(parents=True)
    (tmp_path / UPLOADS).mkdir()
    return tmp_path


def test_a_lock_ends_with_its_process(root: Path) -> None:
    locks = FileLocks(root)
    with subprocess.Popen(
        [sys.executable, "-c", HOLD, str(root)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == "True\n"
        assert locks.lock_operation("one") is None
        other.kill()
        other.wait()
    held = locks.lock_operation("one")
    assert held is not None
    held.release()


def test_a_program_that_is_started_does_not_inherit_a_lock(root: Path) -> None:
    locks = FileLocks(root)
    held = locks.lock_operation("one")
    assert held is not None
    with subprocess.Popen(
        [sys.executable, "-c", "import sys; print(flush=True); sys.stdin.read()"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        close_fds=False,
    ) as child:
        assert child.stdout is not None
        assert child.stdout.readline() == b"\n"
        held.release()
        again = locks.lock_operation("one")
        assert again is not None
        again.release()
        child.kill()


def test_locks_of_missing_files_leave_no_files(root: Path) -> None:
    locks = FileLocks(root)
    for lock in (locks.lock_operation("two"), locks.lock_upload("two")):
        assert lock is not None
        lock.release()
    assert [path.name for path in (root / STAGING).iterdir()] == ["one"]
    assert list((root / UPLOADS).iterdir()) == []


def test_a_file_in_the_place_of_an_operations_folder_is_an_error(root: Path) -> None:
    (root / STAGING / "file").touch()
    with pytest.raises(Unavailable):
        FileLocks(root).lock_operation("file")


def open_descriptors() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


def test_a_held_lock_leaves_no_descriptor_behind(root: Path) -> None:
    locks = FileLocks(root)
    held = locks.lock_operation("one")
    assert held is not None
    before = open_descriptors()
    assert locks.lock_operation("one") is None
    assert open_descriptors() == before
    held.release()


@as_root
def test_a_folder_that_is_closed_to_its_owner_is_locked(tmp_path: Path) -> None:
    """Before the umask was corrected, such a folder stopped every later operation of its owner."""
    folder = tmp_path / STAGING / "one"
    folder.mkdir(parents=True)
    for path in (tmp_path, tmp_path / STAGING, folder):
        os.chown(path, 12345, 12345)
    folder.chmod(0)
    place = os.open(tmp_path, os.O_RDONLY | os.O_DIRECTORY)
    child = os.fork()
    if child == 0:
        code = 1
        try:
            os.fchdir(place)
            os.setgid(12345)
            os.setuid(12345)
            code = int(FileLocks(Path()).lock_operation("one") is None)
        finally:
            os._exit(code)
    os.close(place)
    assert os.waitpid(child, 0)[1] == 0
    assert folder.stat().st_mode & 0o777 == 0o700


def test_the_file_of_a_task_goes_with_its_lock(root: Path) -> None:
    locks = FileLocks(root)
    held = locks.lock_task("sync")
    assert held is not None
    (file,) = (root / DOWNLOADS).iterdir()
    assert locks.lock_task("sync") is None
    locks.sweep_tasks()
    assert file.exists()
    held.release()
    assert not file.exists()


def test_the_lock_of_a_removed_file_is_not_that_of_the_task(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A process has opened the file, and locks it after its holder has removed it."""
    locks = FileLocks(root)
    held = locks.lock_task("sync")
    assert held is not None
    flock, other = fcntl.flock, []

    def flock_late(descriptor: int, operation: int) -> None:
        monkeypatch.setattr("fcntl.flock", flock)
        held.release()
        other.append(locks.lock_task("sync"))
        flock(descriptor, operation)

    monkeypatch.setattr("fcntl.flock", flock_late)
    before = open_descriptors()
    assert locks.lock_task("sync") is None
    # One file was closed, and the other process has opened another one.
    assert open_descriptors() == before
    assert other[0] is not None
    other[0].release()
    assert list((root / DOWNLOADS).iterdir()) == []


def test_the_files_of_killed_tasks_are_swept(root: Path) -> None:
    locks = FileLocks(root)
    locks.sweep_tasks()
    held = locks.lock_task("held")
    assert held is not None
    (held_file,) = (root / DOWNLOADS).iterdir()
    left, other = root / DOWNLOADS / f"{'0' * 32}.lock", root / DOWNLOADS / "sha256-00"
    left.touch()
    other.touch()
    locks.sweep_tasks()
    assert set((root / DOWNLOADS).iterdir()) == {held_file, other}
    held.release()


def test_threads_that_take_turns_hold_a_task_one_at_a_time(root: Path) -> None:
    locks, turns, inside = FileLocks(root), [0] * 4, []

    def work(number: int) -> None:
        while turns[number] < 50:
            lock = locks.lock_task("turn")
            if lock is None:
                continue
            inside.append(number)
            assert inside == [number]
            inside.clear()
            turns[number] += 1
            lock.release()

    with ThreadPoolExecutor(4) as threads:
        list(threads.map(work, range(4)))
    assert turns == [50] * 4
    assert list((root / DOWNLOADS).iterdir()) == []
