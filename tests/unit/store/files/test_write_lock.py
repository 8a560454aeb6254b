from __future__ import annotations

import fcntl
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from store.errors import StoreBusy, Unavailable
from store.files import write_lock
from store.files.lock_holders import describe
from store.files.write_lock import WriteLock
from store.model.remedies import Remedy
from store.model.waiting import Waiting
from tests.support.waiting import PATIENCE_S, until

if TYPE_CHECKING:
    from collections.abc import Iterator


def is_locked(path: Path) -> bool:
    descriptor = os.open(path, os.O_RDWR)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(descriptor)
    return False


def test_the_lock_is_held_exactly_while_the_block_runs(tmp_path: Path) -> None:
    lock = WriteLock(tmp_path / "lock")
    with lock.held("import-1"):
        assert is_locked(tmp_path / "lock")
        assert (tmp_path / "lock").read_bytes().rstrip(b"\0") == b"import-1"
    assert not is_locked(tmp_path / "lock")


def test_an_error_in_the_block_releases_the_lock(tmp_path: Path) -> None:
    with pytest.raises(KeyError), WriteLock(tmp_path / "lock").held("x"):
        raise KeyError
    assert not is_locked(tmp_path / "lock")


def test_threads_of_one_process_exclude_each_other(tmp_path: Path) -> None:
    lock, order = WriteLock(tmp_path / "lock"), list[str]()

    def second() -> None:
        with lock.held("second"):
            order.append("second")

    with lock.held("first"):
        other = threading.Thread(target=second)
        other.start()
        other.join(0.1)
        order.append("first")
    other.join(PATIENCE_S)
    assert order == ["first", "second"]


def test_a_writer_that_waits_for_long_is_told_the_last_owner_and_not_an_earlier_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(write_lock, "PATIENCE_S", 0.01)
    said, told = list[str](), threading.Event()

    def on_wait(owner: str) -> None:
        said.append(owner)
        told.set()

    lock = WriteLock(tmp_path / "lock", Waiting(PATIENCE_S, on_wait))
    with lock.held("the name of a longer operation"):
        pass
    with lock.held("gc-2"):
        other = threading.Thread(target=lambda: lock.held("import-3").__enter__())
        other.start()
        assert told.wait(PATIENCE_S)
    other.join(PATIENCE_S)
    assert len(said) == 1
    assert said[0].startswith(f"gc-2, process {os.getpid()} (")


def test_a_writer_that_need_not_wait_says_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(write_lock, "PATIENCE_S", 0)
    said: list[str] = []
    with WriteLock(tmp_path / "lock", Waiting(on_wait=said.append)).held("x" * 1000):
        assert (tmp_path / "lock").stat().st_size == 200
    assert said == []


def test_a_lock_in_a_folder_that_cannot_be_written_is_an_error_of_the_store(
    tmp_path: Path,
) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(Unavailable), WriteLock(tmp_path / "file" / "lock").held("x"):
        pass


def test_a_link_in_place_of_the_lock_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "victim").write_bytes(b"important")
    (tmp_path / "lock").symlink_to(tmp_path / "victim")
    with pytest.raises(Unavailable), WriteLock(tmp_path / "lock").held("x"):
        pass
    assert (tmp_path / "victim").read_bytes() == b"important"


def test_a_special_file_in_place_of_the_lock_is_an_error(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "lock")
    with pytest.raises(Unavailable), WriteLock(tmp_path / "lock").held("x"):
        pass


def stop_with_lock(path: Path) -> subprocess.Popen[bytes]:
    """Start a process that holds the lock, and stop it like Ctrl-Z."""
    code = (
        "import fcntl, os, sys; f = open(sys.argv[1], 'r+b'); fcntl.flock(f, 2);"
        " os.pwrite(f.fileno(), b'import-7', 0); os.kill(os.getpid(), 19)"
    )
    path.touch()
    process = subprocess.Popen([sys.executable, "-c", code, str(path)])
    until(lambda: describe(process.pid).is_stopped)
    return process


@pytest.fixture
def stopped(tmp_path: Path) -> Iterator[subprocess.Popen[bytes]]:
    process = stop_with_lock(tmp_path / "lock")
    yield process
    process.kill()
    process.wait()


def test_a_stopped_writer_is_waited_for_up_to_the_limit_and_named(
    tmp_path: Path, stopped: subprocess.Popen[bytes]
) -> None:
    lock = WriteLock(tmp_path / "lock", Waiting(0.2))
    began = time.monotonic()
    with pytest.raises(StoreBusy) as caught, lock.held("gc"):
        pass
    assert 0.2 <= time.monotonic() - began < PATIENCE_S
    command = Path(f"/proc/{stopped.pid}/comm").read_text().rstrip("\n")
    assert caught.value.message == (
        f"cannot change the store: waited 0.2 s for process {stopped.pid} ({command}, stopped),"
        " which runs import-7"
    )
    assert caught.value.hint is not None
    assert f"kill -CONT {stopped.pid}" in caught.value.hint
    assert caught.value.remedy is Remedy.WAIT_LONGER


def test_many_threads_wait_for_a_stopped_writer_no_longer_than_one(
    tmp_path: Path, stopped: subprocess.Popen[bytes]
) -> None:
    lock = WriteLock(tmp_path / "lock", Waiting(0.3))
    before = threading.active_count()
    for _ in range(3):
        with pytest.raises(StoreBusy), lock.held("gc"):
            pass
    began = time.monotonic()
    for _ in range(20):
        with pytest.raises(StoreBusy), lock.held("gc"):
            pass
    assert time.monotonic() - began < 20 * 0.3 / 2
    assert threading.active_count() == before + 1
    assert lock.stuck_for() >= 0.3
    stopped.send_signal(signal.SIGCONT)
    until(lambda: lock.stuck_for() == 0)
    with lock.held("gc"):
        pass
    until(lambda: threading.active_count() == before)


def test_a_writer_is_known_to_be_stuck_only_while_it_is_the_same_one(tmp_path: Path) -> None:
    lock, other = WriteLock(tmp_path / "lock"), WriteLock(tmp_path / "lock")
    assert lock.stuck_for() == 0
    with other.held("a"):
        assert lock.stuck_for() < 0.01
        time.sleep(0.05)
        assert lock.stuck_for() >= 0.05
    with other.held("b"):
        os.utime(tmp_path / "lock", ns=(1, 1))
        assert lock.stuck_for() < 0.05
    assert lock.stuck_for() == 0


def test_a_lock_in_a_folder_that_is_gone_is_a_sentence(tmp_path: Path) -> None:
    lock = WriteLock(tmp_path / "gone" / "lock")
    with pytest.raises(Unavailable) as caught, lock.held("x"):
        pass
    assert "does not exist any more" in caught.value.message
    with pytest.raises(Unavailable):
        lock.stuck_for()
