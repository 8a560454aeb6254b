from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from store.blobs import cached_open
from store.blobs.cached_open import open_cached

if TYPE_CHECKING:
    import pytest


def test_without_the_system_call_no_file_is_opened(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cached_open, "_syscall", None)
    assert open_cached(Path(__file__)) is None


def test_only_regular_files_are_opened_and_no_descriptor_is_left_open(tmp_path: Path) -> None:
    """Opening a FIFO without a writer would block the event loop."""
    folder, fifo, descriptors = tmp_path / "folder", tmp_path / "fifo", Path("/proc/self/fd")
    folder.mkdir()
    os.mkfifo(fifo)
    for path in (folder, fifo, tmp_path / "missing"):
        before = len(list(descriptors.iterdir()))
        assert open_cached(path) is None
        assert len(list(descriptors.iterdir())) == before
