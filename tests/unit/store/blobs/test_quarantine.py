from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from store.blobs.directory import DirectoryBlobs
from store.blobs.folders import QUARANTINED_FOR
from store.blobs.quarantine import Quarantine, kept_until
from store.model.digests import Digest

if TYPE_CHECKING:
    from pathlib import Path

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
DIGEST = Digest.of(b"data")


@pytest.fixture
def blobs(tmp_path: Path) -> DirectoryBlobs:
    found = DirectoryBlobs(tmp_path)
    found.path(DIGEST).parent.mkdir(parents=True)
    found.path(DIGEST).write_bytes(b"data")
    return found


def test_a_file_is_set_aside_with_the_time_in_its_name(
    tmp_path: Path, blobs: DirectoryBlobs
) -> None:
    quarantine = Quarantine(tmp_path)
    assert list(quarantine.files()) == []
    assert quarantine.take(DIGEST, NOW) == 4
    assert quarantine.take(DIGEST, NOW) is None
    assert not blobs.path(DIGEST).exists()
    (file,) = quarantine.files()
    assert file.name == f"20260102T030405Z-sha256-{DIGEST.hex}"
    assert (file.digest, file.size_bytes, file.until) == (DIGEST, 4, NOW + QUARANTINED_FOR)
    assert kept_until(NOW + timedelta(microseconds=7)) == file.until
    assert (tmp_path / "quarantine" / file.name).read_bytes() == b"data"


def test_two_files_of_a_digest_are_both_kept(tmp_path: Path, blobs: DirectoryBlobs) -> None:
    quarantine = Quarantine(tmp_path)
    for data in (b"data", b"rotten", b"x"):
        blobs.path(DIGEST).write_bytes(data)
        assert quarantine.take(DIGEST, NOW) == len(data)
    assert [file.size_bytes for file in quarantine.files()] == [4, 6, 1]
    assert {file.digest for file in quarantine.files()} == {DIGEST}


def test_a_file_goes_back_to_its_place_unless_a_file_is_there(
    tmp_path: Path, blobs: DirectoryBlobs
) -> None:
    quarantine = Quarantine(tmp_path)
    quarantine.take(DIGEST, NOW)
    (file,) = quarantine.files()
    blobs.path(DIGEST).write_bytes(b"other")
    assert not quarantine.give_back(file)
    blobs.path(DIGEST).unlink()
    assert quarantine.give_back(file)
    assert blobs.path(DIGEST).read_bytes() == b"data"
    assert not quarantine.give_back(file)


def test_a_file_is_removed_once(tmp_path: Path, blobs: DirectoryBlobs) -> None:
    quarantine = Quarantine(tmp_path)
    quarantine.take(DIGEST, NOW)
    (file,) = quarantine.files()
    assert [quarantine.remove(file), quarantine.remove(file)] == [4, 0]
    assert list(quarantine.files()) == []
    assert not blobs.path(DIGEST).exists()


@pytest.mark.parametrize(
    "name", ["note.txt", "20261399T000000Z-sha256-" + "a" * 64, "20260102T030405Z-sha256-ab"]
)
def test_other_files_are_skipped(tmp_path: Path, name: str) -> None:
    (tmp_path / "quarantine").mkdir()
    (tmp_path / "quarantine" / name).touch()
    assert list(Quarantine(tmp_path).files()) == []
