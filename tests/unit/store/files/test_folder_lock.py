"""The lock of a folder excludes other processes, and does not wait for ever."""

from __future__ import annotations

import errno
import fcntl
import os
import threading
from typing import TYPE_CHECKING

import pytest

from store.errors import StoreBusy
from store.files.folder_lock import locked

if TYPE_CHECKING:
    from pathlib import Path


def test_one_holds_the_lock_at_a_time(tmp_path: Path) -> None:
    inside, most = 0, 0

    def enter() -> None:
        nonlocal inside, most
        for _ in range(5):
            with locked(tmp_path):
                inside += 1
                most = max(most, inside)
                inside -= 1

    threads = [threading.Thread(target=enter) for _ in range(4)]
    for one in threads:
        one.start()
    for one in threads:
        one.join()
    assert most == 1
    assert not list(tmp_path.iterdir())


def test_waiting_ends_with_an_error(tmp_path: Path) -> None:
    with locked(tmp_path), pytest.raises(StoreBusy) as refused, locked(tmp_path, limit_s=0.05):
        pytest.fail("two hold the lock")
    assert f"waited 0.05 s for process {os.getpid()} (" in refused.value.message


def test_file_system_without_locks_for_folders(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(_descriptor: int, _operation: int) -> None:
        raise OSError(errno.EBADF, "bad file descriptor")

    monkeypatch.setattr(fcntl, "flock", refuse)
    with locked(tmp_path):
        pass
