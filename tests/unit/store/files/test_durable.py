from __future__ import annotations

import os
from pathlib import Path

import pytest

from store.errors import PermissionDenied, Unavailable
from store.files.durable import make_folder, sync_folder
from store.files.os_errors import Whose


@pytest.fixture
def synced(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    found: list[Path] = []
    real = os.fsync

    def fsync(descriptor: int) -> None:
        found.append(Path(f"/proc/self/fd/{descriptor}").readlink())
        real(descriptor)

    monkeypatch.setattr(os, "fsync", fsync)
    return found


def test_the_parent_of_every_new_folder_is_synced(tmp_path: Path, synced: list[Path]) -> None:
    make_folder(tmp_path / "a" / "b" / "c")
    assert (tmp_path / "a" / "b" / "c").is_dir()
    assert set(synced) == {tmp_path, tmp_path / "a", tmp_path / "a" / "b"}


def test_a_folder_that_exists_is_left_alone(tmp_path: Path, synced: list[Path]) -> None:
    make_folder(tmp_path)
    assert synced == []


def test_a_file_in_the_place_of_a_folder_is_an_error_of_ours(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(Unavailable):
        make_folder(tmp_path / "file" / "below")
    with pytest.raises(Unavailable):
        sync_folder(tmp_path / "file")


def test_hints_follow_the_owner_of_the_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(_descriptor: int) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(os, "fsync", refuse)
    with pytest.raises(PermissionDenied) as of_store:
        sync_folder(tmp_path)
    with pytest.raises(PermissionDenied) as of_output:
        sync_folder(tmp_path, whose=Whose.OUTPUT)
    assert "store" in (of_store.value.hint or "")
    assert "store" not in (of_output.value.hint or "")
