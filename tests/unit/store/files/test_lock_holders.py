from __future__ import annotations

import fcntl
import os
from pathlib import Path

import pytest

from store.files import lock_holders
from store.files.lock_holders import find_holder, holder

LINES = (
    "1: POSIX  ADVISORY  WRITE 11 08:01:5 0 EOF\n",
    "2: FLOCK  ADVISORY  WRITE 4711 08:01:5 0 EOF\n",
    "2: -> FLOCK  ADVISORY  WRITE 4712 08:01:6 0 EOF\n",
    "3: FLOCK  ADVISORY  WRITE -1 08:01:7 0 EOF\n",
    "\n",
)


@pytest.mark.parametrize(
    ("file", "process"),
    [("08:01:5", 4711), ("08:01:6", None), ("08:01:7", None), ("08:01:8", None)],
)
def test_the_process_that_holds_the_lock_is_found(file: str, process: int | None) -> None:
    assert find_holder(LINES, file) == process


def test_this_process_holds_the_lock(tmp_path: Path) -> None:
    with (tmp_path / "lock").open("w") as file:
        assert holder(file.fileno()) is None
        fcntl.flock(file, fcntl.LOCK_EX)
        assert holder(file.fileno()) == os.getpid()


def test_nothing_is_known_without_the_list(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lock_holders, "LOCKS", Path("/nowhere"))
    with (tmp_path / "lock").open("w") as file:
        assert holder(file.fileno()) is None
