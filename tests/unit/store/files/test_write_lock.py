from __future__ import annotations

import fcntl
import os
import threading
from typing import TYPE_CHECKING

import pytest

from store.errors import Unavailable
from store.files import write_lock
from store.files.write_lock import WriteLock
from tests.support.waiting import PATIENCE_S

if TYPE_CHECKING:
    from pathlib import Path


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

    lock = WriteLock(tmp_path / "lock", on_wait)
    with lock.held("the name of a longer operation"):
        pass
    with lock.held("gc-2"):
        other = threading.Thread(target=lambda: lock.held("import-3").__enter__())
        other.start()
        assert told.wait(PATIENCE_S)
    other.join(PATIENCE_S)
    assert said == [f"gc-2 (process {os.getpid()})"]


def test_a_writer_that_need_not_wait_says_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(write_lock, "PATIENCE_S", 0)
    said: list[str] = []
    with WriteLock(tmp_path / "lock", said.append).held("x" * 1000):
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
