from __future__ import annotations

import errno
import os
from typing import TYPE_CHECKING

from store.files.space.shortage import (
    PROBE_BYTES,
    copies_on_write,
    free_bytes,
    has_no_inodes,
    obstacle,
)
from tests.support.small_disks import full_of_bytes, full_of_files, small_disk

if TYPE_CHECKING:
    from pathlib import Path

    import pytest


def test_free_bytes_are_those_of_the_file_system(tmp_path: Path) -> None:
    found = os.statvfs(tmp_path)
    near = free_bytes(tmp_path)
    assert found.f_bavail * found.f_frsize * 0.5 < near <= found.f_blocks * found.f_frsize


def test_a_folder_with_room_has_no_obstacle_and_keeps_no_file(tmp_path: Path) -> None:
    assert obstacle(tmp_path) is None
    assert list(tmp_path.iterdir()) == []


def test_a_folder_without_nameless_files_is_asked_with_a_named_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = os.open

    def refusing(path: Path, flags: int, mode: int = 0o777) -> int:
        if flags & os.O_TMPFILE == os.O_TMPFILE:
            raise OSError(errno.EOPNOTSUPP, "not supported")
        return real(path, flags, mode)

    monkeypatch.setattr(os, "open", refusing)
    assert obstacle(tmp_path) is None
    assert list(tmp_path.iterdir()) == []


def test_a_file_with_a_name_is_made_where_only_the_folder_lacks_room(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = os.open

    def refusing(path: Path, flags: int, mode: int = 0o777) -> int:
        # xfs has an inode, but no block for one more name in the folder.
        if flags & os.O_EXCL:
            raise OSError(errno.ENOSPC, "no space")
        return real(path, flags, mode)

    monkeypatch.setattr(os, "open", refusing)
    assert obstacle(tmp_path) is None
    found = obstacle(tmp_path, named=True)
    assert found is not None
    assert found.errno == errno.ENOSPC
    monkeypatch.undo()
    assert obstacle(tmp_path, named=True) is None
    assert list(tmp_path.iterdir()) == []


def test_a_missing_folder_is_its_own_obstacle(tmp_path: Path) -> None:
    found = obstacle(tmp_path / "nothing")
    assert found is not None
    assert found.errno == errno.ENOENT


def test_a_full_disk_takes_no_bytes(tmp_path: Path) -> None:
    with small_disk(tmp_path) as disk:
        full_of_bytes(disk)
        found = obstacle(disk)
        assert found is not None
        assert found.errno == errno.ENOSPC
        assert not has_no_inodes(disk / "some" / "file")
        assert free_bytes(disk) < PROBE_BYTES


def test_a_disk_without_inodes_is_told_from_a_full_one(tmp_path: Path) -> None:
    with small_disk(tmp_path, files=40) as disk:
        assert not has_no_inodes(disk)
        full_of_files(disk)
        found = obstacle(disk)
        assert found is not None
        assert found.errno == errno.ENOSPC
        assert has_no_inodes(disk / "some" / "file")


def test_a_file_system_that_overwrites_in_place_does_not_copy(tmp_path: Path) -> None:
    with small_disk(tmp_path) as disk:
        assert not copies_on_write(disk)
    assert not copies_on_write(tmp_path / "nothing")


def test_btrfs_copies(tmp_path: Path) -> None:
    with small_disk(tmp_path, mib=128, kind="btrfs") as disk:
        assert copies_on_write(disk)
