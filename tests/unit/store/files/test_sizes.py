"""Sizes of files and folders."""

from __future__ import annotations

from typing import TYPE_CHECKING

from store.files.sizes import file_bytes, folder_bytes

if TYPE_CHECKING:
    from pathlib import Path


def test_regular_files_count_at_any_depth_and_links_do_not(tmp_path: Path) -> None:
    folder = tmp_path / "folder"
    (folder / "deep" / "deeper").mkdir(parents=True)
    (folder / "one").write_bytes(b"1")
    (folder / "deep" / "deeper" / "three").write_bytes(b"333")
    (tmp_path / "outside").write_bytes(bytes(100))
    (folder / "link").symlink_to(tmp_path / "outside")
    (folder / "loop").symlink_to(folder)
    assert folder_bytes(folder) == 4
    assert folder_bytes(tmp_path / "nothing") == 0


def test_only_a_regular_file_has_a_size(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"four")
    (tmp_path / "link").symlink_to(tmp_path / "file")
    assert [file_bytes(tmp_path / name) for name in ("file", "link", "none", ".")] == [4, 0, 0, 0]
