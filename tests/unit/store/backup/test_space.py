from __future__ import annotations

import os
from types import SimpleNamespace
from typing import TYPE_CHECKING

import pytest

from store.backup.space import require_space
from store.errors import StorageFull

if TYPE_CHECKING:
    from pathlib import Path


def stats(monkeypatch: pytest.MonkeyPatch, **values: int) -> None:
    found = {"bavail": 10, "files": 100, "favail": 50, **values}
    found = {
        "f_bavail": found["bavail"],
        "f_bfree": found["bavail"],
        "f_frsize": 4096,
        "f_files": found["files"],
        "f_favail": found["favail"],
        "f_ffree": found["favail"],
    }
    monkeypatch.setattr(os, "statvfs", lambda _: SimpleNamespace(**found))


def test_space_and_inodes_are_required(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    stats(monkeypatch)
    require_space(tmp_path, 9 * 4096, 1, "x")
    with pytest.raises(StorageFull, match="40961 bytes, and 40960 bytes are free"):
        require_space(tmp_path, 9 * 4096 + 1, 1, "x")
    stats(monkeypatch, bavail=1000)
    with pytest.raises(StorageFull, match="room for 50 more"):
        require_space(tmp_path, 0, 51, "x")


def test_a_file_system_without_a_number_of_inodes_has_room(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stats(monkeypatch, files=0, favail=0)
    require_space(tmp_path, 0, 1, "x")
