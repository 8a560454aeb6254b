from __future__ import annotations

import tempfile
from pathlib import Path

import pytest

from store.errors import StorageFull
from store.files.space import scratch
from store.files.space.scratch import scratch_folder
from tests.support.small_disks import full_of_bytes, small_disk


def test_the_usual_place_is_taken_and_left_empty(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    with scratch_folder(1000) as folder:
        assert folder.parent == tmp_path
        (folder / "file").write_bytes(b"x")
    assert list(tmp_path.iterdir()) == []


def test_memory_stands_in_for_a_full_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    memory = tmp_path / "memory"
    memory.mkdir()
    monkeypatch.setattr(scratch, "_MEMORY", memory)
    with small_disk(tmp_path) as disk:
        full_of_bytes(disk)
        monkeypatch.setattr(tempfile, "tempdir", str(disk))
        with scratch_folder(1000) as folder:
            assert folder.parent == memory


def test_no_place_that_python_knows_is_no_failure(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def none() -> str:
        raise FileNotFoundError("no usable temporary directory")

    monkeypatch.setattr(tempfile, "gettempdir", none)
    monkeypatch.setattr(scratch, "_MEMORY", tmp_path)
    with scratch_folder(1000) as folder:
        assert folder.parent == tmp_path


def test_the_error_says_how_much_is_needed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "nothing"))
    monkeypatch.setattr(scratch, "_MEMORY", Path("/nothing"))
    with pytest.raises(StorageFull) as caught, scratch_folder(5_000_000):
        pass
    assert "6048576 bytes" in caught.value.message
    assert "TMPDIR" in (caught.value.hint or "")
