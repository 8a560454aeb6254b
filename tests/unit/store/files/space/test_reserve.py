from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from store.files.space import shortage
from store.files.space.reserve import LARGEST_PIECE, PIECES, RESERVE, SMALLEST_PIECE, Reserve
from tests.support.small_disks import full_of_bytes, full_of_files, small_disk

if TYPE_CHECKING:
    from pathlib import Path

CATALOGUE = "store.db"
WHOLE = PIECES * SMALLEST_PIECE


@pytest.fixture(autouse=True)
def _overwriting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shortage, "copies_on_write", lambda _path: False)


def allocated(root: Path) -> int:
    return sum(path.stat().st_blocks * 512 for path in (root / RESERVE).iterdir())


def test_a_reserve_has_space_on_the_disk_and_is_made_once(tmp_path: Path) -> None:
    reserve = Reserve(tmp_path, CATALOGUE)
    assert reserve.fill()
    assert reserve.size_bytes() == reserve.wanted_bytes() == WHOLE
    assert allocated(tmp_path) >= WHOLE
    before = {path: path.stat().st_ino for path in (tmp_path / RESERVE).iterdir()}
    assert reserve.fill()
    assert {path: path.stat().st_ino for path in (tmp_path / RESERVE).iterdir()} == before


def test_a_large_catalogue_has_a_large_reserve(tmp_path: Path) -> None:
    reserve = Reserve(tmp_path, CATALOGUE)
    sizes = []
    for mib in (1, 10, 100, 1000):
        with (tmp_path / CATALOGUE).open("wb") as file:
            file.truncate(mib * 1024 * 1024)
        sizes.append(reserve.wanted_bytes() // PIECES)
    assert sizes == [SMALLEST_PIECE, LARGEST_PIECE, LARGEST_PIECE, LARGEST_PIECE]


def test_a_file_system_that_copies_needs_more(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shortage, "copies_on_write", lambda _path: True)
    assert Reserve(tmp_path, CATALOGUE).wanted_bytes() == 16 * WHOLE


def test_a_piece_that_was_copied_with_holes_is_made_again(tmp_path: Path) -> None:
    reserve = Reserve(tmp_path, CATALOGUE)
    reserve.fill()
    piece = tmp_path / RESERVE / "2"
    piece.unlink()
    with piece.open("wb") as file:
        file.truncate(SMALLEST_PIECE)
    assert allocated(tmp_path) < WHOLE
    assert reserve.fill()
    assert allocated(tmp_path) >= WHOLE


def test_where_nothing_can_be_allocated_random_bytes_are_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise OSError(95, "not supported")

    monkeypatch.setattr(os, "posix_fallocate", refuse)
    reserve = Reserve(tmp_path, CATALOGUE)
    assert reserve.fill()
    names = sorted(path.name for path in (tmp_path / RESERVE).iterdir())
    assert names == [f"{number}.written" for number in range(1, PIECES + 1)]
    assert len(set((tmp_path / RESERVE / names[0]).read_bytes())) == 256
    inode = (tmp_path / RESERVE / names[0]).stat().st_ino
    assert reserve.fill()
    assert (tmp_path / RESERVE / names[0]).stat().st_ino == inode


def test_a_disk_with_room_keeps_its_reserve(tmp_path: Path) -> None:
    reserve = Reserve(tmp_path, CATALOGUE)
    reserve.fill()
    assert not reserve.release_if_full()
    with reserve.lent():
        assert reserve.size_bytes() == WHOLE
    assert not reserve.was_released


def test_a_nearly_full_disk_is_left_alone(tmp_path: Path) -> None:
    with small_disk(tmp_path, mib=4) as disk:
        reserve = Reserve(disk, CATALOGUE)
        assert not reserve.fill()
        assert not (disk / RESERVE).exists()
        assert reserve.fill(needs_room=False)


def test_the_reserve_of_a_full_disk_is_lent_and_taken_back(tmp_path: Path) -> None:
    with small_disk(tmp_path) as disk:
        reserve = Reserve(disk, CATALOGUE)
        assert reserve.fill()
        full_of_bytes(disk)
        with reserve.lent():
            (disk / "file").write_bytes(bytes(WHOLE // 2))
            (disk / "file").unlink()
        assert not reserve.was_released
        assert allocated(disk) >= WHOLE


def test_what_others_took_of_the_reserve_is_missed_but_the_rest_is_made(tmp_path: Path) -> None:
    with small_disk(tmp_path) as disk:
        reserve = Reserve(disk, CATALOGUE)
        reserve.fill()
        full_of_bytes(disk)
        with reserve.lent():
            (disk / "file").write_bytes(bytes(SMALLEST_PIECE // 2))
        assert reserve.was_released
        assert 0 < allocated(disk) < WHOLE
        (disk / "file").unlink()
        assert reserve.fill(needs_room=False)


def test_a_full_disk_without_a_reserve_is_reported_as_full(tmp_path: Path) -> None:
    with small_disk(tmp_path) as disk:
        full_of_bytes(disk)
        assert Reserve(disk, CATALOGUE).release_if_full()


def test_a_lack_of_inodes_is_no_matter_of_the_reserve(tmp_path: Path) -> None:
    with small_disk(tmp_path, files=40) as disk:
        reserve = Reserve(disk, CATALOGUE)
        reserve.fill()
        full_of_files(disk)
        assert not reserve.release_if_full()
        assert reserve.size_bytes() == WHOLE


def test_files_of_others_in_the_folder_stay(tmp_path: Path) -> None:
    with small_disk(tmp_path) as disk:
        reserve = Reserve(disk, CATALOGUE)
        reserve.fill()
        other = disk / RESERVE / "notes.txt"
        other.write_text("mine")
        full_of_bytes(disk)
        reserve.release_if_full()
        assert other.read_text() == "mine"
        assert [path.name for path in (disk / RESERVE).iterdir()] == ["notes.txt"]
