from __future__ import annotations

import errno
import os
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from store import errors
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


@pytest.fixture
def synced(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    found: list[Path] = []
    monkeypatch.setattr(
        os, "fsync", lambda folder: found.append(Path(f"/proc/self/fd/{folder}").readlink())
    )
    return found


def test_every_folder_above_a_new_blob_is_synced(
    tmp_path: Path, staged: Path, synced: list[Path]
) -> None:
    """Folders that exist are synced too: their creator may have died before syncing them."""
    blobs = DirectoryBlobs(tmp_path)
    blobs.path(DIGEST).parent.mkdir(parents=True)
    blobs.publish([(staged, blobs.location(DIGEST))])
    fan = blobs.path(DIGEST).parent
    assert synced == [fan, fan.parent, fan.parent.parent]


def test_a_folder_is_synced_for_each_blob_and_those_above_once(
    tmp_path: Path, synced: list[Path]
) -> None:
    blobs = DirectoryBlobs(tmp_path)
    root = tmp_path / "blobs" / "sha256"

    def publish(*names: str) -> list[str]:
        del synced[:]
        staged = []
        for number, name in enumerate(names):
            path = tmp_path / str(number)
            path.write_bytes(b"some bytes")
            staged.append((path, blobs.location(Digest("sha256", name.ljust(64, "0")))))
        blobs.publish(staged)
        return sorted(str(one.relative_to(tmp_path)) for one in synced)

    assert publish("ab1", "ab2", "cd1") == [
        "blobs",
        "blobs/sha256",
        "blobs/sha256/ab",
        "blobs/sha256/cd",
    ]
    assert publish("ab3") == ["blobs/sha256/ab"]
    assert publish("ef1") == ["blobs/sha256", "blobs/sha256/ef"]
    (root / "ef").rename(tmp_path / "away")
    assert publish("ef1", "cd2") == ["blobs/sha256", "blobs/sha256/cd", "blobs/sha256/ef"]


def test_folders_are_synced_again_after_a_failure(
    tmp_path: Path, staged: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    blobs = DirectoryBlobs(tmp_path)
    tried: list[Path] = []

    def fail_once(folder: int) -> None:
        tried.append(Path(f"/proc/self/fd/{folder}").readlink())
        if len(tried) == 2:
            raise OSError(errno.EIO, os.strerror(errno.EIO))

    monkeypatch.setattr(os, "fsync", fail_once)
    with pytest.raises(errors.Unavailable):
        blobs.publish([(staged, blobs.location(DIGEST))])
    staged.write_bytes(b"some bytes")
    blobs.publish([(staged, blobs.location(DIGEST))])
    fan = blobs.path(DIGEST).parent
    assert tried == [fan, fan.parent, fan, fan.parent, fan.parent.parent]


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


def test_a_link_or_folder_in_place_of_a_blob_is_no_blob(tmp_path: Path, staged: Path) -> None:
    blobs = DirectoryBlobs(tmp_path)
    location, path = blobs.location(DIGEST), blobs.path(DIGEST)
    path.parent.mkdir(parents=True)
    (tmp_path / "secret").write_bytes(b"secret")
    path.symlink_to(tmp_path / "secret")
    assert blobs.open(location) is None
    assert blobs.size(location) is None
    assert list(blobs.digests()) == []
    blobs.publish([(staged, location)])
    assert path.read_bytes() == DATA
    path.unlink()
    path.symlink_to(tmp_path / "secret")
    blobs.remove(location)
    assert not path.is_symlink()
    assert (tmp_path / "secret").read_bytes() == b"secret"
    path.mkdir()
    assert list(blobs.digests()) == []


@pytest.mark.parametrize("level", [0, 1, 2])
def test_a_link_in_place_of_a_folder_of_blobs_is_not_followed(
    tmp_path: Path, staged: Path, level: int
) -> None:
    blobs = DirectoryBlobs(tmp_path)
    path = blobs.path(DIGEST)
    path.parent.mkdir(parents=True)
    path.write_bytes(b"of another store")
    folder = path.parents[2 - level]
    folder.rename(tmp_path / "elsewhere")
    folder.symlink_to(tmp_path / "elsewhere")
    for act in (
        lambda: blobs.publish([(staged, blobs.location(DIGEST))]),
        lambda: blobs.remove(blobs.location(DIGEST)),
    ):
        with pytest.raises(errors.Unavailable):
            act()
    assert path.read_bytes() == b"of another store"


def test_a_file_is_touched_if_it_was_written_or_replaced_after_its_publication(
    tmp_path: Path,
) -> None:
    blobs = DirectoryBlobs(tmp_path)
    digest = Digest.of(b"data")
    location = blobs.location(digest)
    now = datetime.now(UTC)
    assert not blobs.is_touched(location, now)
    blobs.path(digest).parent.mkdir(parents=True)
    blobs.path(digest).write_bytes(b"data")
    assert blobs.is_touched(location, now - timedelta(seconds=1))
    assert not blobs.is_touched(location, now + timedelta(seconds=1))
    os.utime(blobs.path(digest), (0, 0))
    assert not blobs.is_touched(location, now - timedelta(seconds=1))
    # A restored file keeps the time of its last write.
    assert blobs.is_touched(location, now - timedelta(minutes=2))


def test_without_the_folder_of_blobs_no_blob_is_missing(tmp_path: Path) -> None:
    blobs = DirectoryBlobs(tmp_path)
    for ask in (blobs.open, blobs.size):
        with pytest.raises(errors.Unavailable, match="blobs is missing"):
            ask(blobs.location(Digest.of(b"data")))
    (tmp_path / "blobs").mkdir()
    assert blobs.size(blobs.location(Digest.of(b"data"))) is None
