from __future__ import annotations

import os
from pathlib import Path

import pytest

from store import errors
from store.blobs import directory
from store.blobs.directory import DirectoryBlobs, require_one_file_system
from store.model.digests import Digest

DATA = b"some bytes"
DIGEST = Digest.of(DATA)


@pytest.fixture
def staged(tmp_path: Path) -> Path:
    path = tmp_path / "staged"
    path.write_bytes(DATA)
    return path


def test_a_file_is_named_by_its_digest_below_a_folder_of_two_digits(tmp_path: Path) -> None:
    blobs = DirectoryBlobs(tmp_path)
    assert blobs.location(DIGEST) == f"sha256/{DIGEST.hex[:2]}/{DIGEST.hex}"
    assert blobs.path(DIGEST) == tmp_path / "blobs" / blobs.location(DIGEST)


def test_foreign_files_are_not_listed(tmp_path: Path) -> None:
    blobs = DirectoryBlobs(tmp_path)
    for name in (
        "README",
        "sha256/ab/notes.txt",
        "sha256/stray",
        "sha257/ab/" + "ab" * 32,
        "sha256/ac/" + "ab" * 32,
    ):
        (tmp_path / "blobs" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "blobs" / name).write_bytes(b"mine")
    assert list(blobs.locations()) == []


def test_every_folder_above_a_new_blob_is_synced(
    tmp_path: Path, staged: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Folders that exist are synced too: their creator may have died before syncing them."""
    blobs = DirectoryBlobs(tmp_path)
    blobs.path(DIGEST).parent.mkdir(parents=True)
    synced: list[Path] = []
    monkeypatch.setattr(directory, "sync_folder", synced.append)
    blobs.publish([(staged, blobs.location(DIGEST))])
    fan = blobs.path(DIGEST).parent
    assert set(synced) == {fan, fan.parent, fan.parent.parent}


def test_errors_of_the_operating_system_become_store_errors(tmp_path: Path, staged: Path) -> None:
    blobs = DirectoryBlobs(tmp_path)
    location = blobs.location(DIGEST)
    (tmp_path / "blobs").write_bytes(b"not a folder")
    for act in (
        lambda: blobs.publish([(staged, location)]),
        lambda: blobs.open(location),
        lambda: blobs.size(location),
        lambda: blobs.remove(location),
    ):
        with pytest.raises(errors.Unavailable):
            act()
    assert staged.read_bytes() == DATA


def test_a_store_on_two_file_systems_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "blobs").mkdir()
    require_one_file_system(tmp_path)
    real = Path.stat

    def elsewhere(path: Path, **options: bool) -> os.stat_result:
        found = real(path, **options)
        return (
            os.stat_result((*found[:2], found.st_dev + 1, *found[3:10]))
            if path.name == "blobs"
            else found
        )

    monkeypatch.setattr(Path, "stat", elsewhere)
    with pytest.raises(errors.Unavailable):
        require_one_file_system(tmp_path)
