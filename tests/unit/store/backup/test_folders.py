from __future__ import annotations

import os
import stat
from typing import TYPE_CHECKING

import pytest

from store.backup import folders
from store.errors import PermissionDenied, StoreError

if TYPE_CHECKING:
    from pathlib import Path


def test_files_are_for_their_owner_only(tmp_path: Path) -> None:
    old = os.umask(0)
    try:
        folders.make_folder(tmp_path / "f")
        folders.make_folder(tmp_path / "f")
        folders.write_file(tmp_path / "f" / "x", b"data")
    finally:
        os.umask(old)
    assert stat.S_IMODE((tmp_path / "f").stat().st_mode) == 0o700
    assert stat.S_IMODE((tmp_path / "f" / "x").stat().st_mode) == 0o600
    folders.sync(tmp_path, tmp_path / "f")


def test_a_file_is_replaced_and_a_failed_one_is_removed(tmp_path: Path) -> None:
    folders.write_file(tmp_path / "x", b"old")
    folders.write_file(tmp_path / "x", b"new")
    assert (tmp_path / "x").read_bytes() == b"new"
    with pytest.raises(ValueError, match="no"), folders.new_file(tmp_path / "y"):
        raise ValueError("no")
    assert not (tmp_path / "y").exists()
    folders.rename(tmp_path / "x", tmp_path / "z")
    assert [path.name for path in tmp_path.iterdir()] == ["z"]


def test_no_link_is_followed(tmp_path: Path) -> None:
    (tmp_path / "secret").write_bytes(b"secret")
    (tmp_path / "link").symlink_to("secret")
    with pytest.raises(StoreError):
        folders.read_small(tmp_path / "link", 10)
    folders.write_file(tmp_path / "link", b"mine")
    assert (tmp_path / "secret").read_bytes() == b"secret"


def test_small_files_are_read_up_to_a_ceiling(tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(b"12345")
    assert folders.read_small(tmp_path / "x", 3) == b"1234"
    assert folders.read_small(tmp_path / "y", 3) is None
    assert folders.read_small(tmp_path / "x" / "y", 3) is None


def test_errors_are_about_the_output(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_args: object, **_kwargs: object) -> int:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(os, "open", refuse)
    with pytest.raises(PermissionDenied), folders.new_file(tmp_path / "x"):
        pass


def test_a_tree_is_removed_without_its_targets(tmp_path: Path) -> None:
    (tmp_path / "keep").mkdir()
    (tmp_path / "keep" / "x").touch()
    (tmp_path / "tree").mkdir()
    (tmp_path / "tree" / "link").symlink_to(tmp_path / "keep")
    folders.remove_tree(tmp_path / "tree")
    folders.remove_tree(tmp_path / "tree")
    assert (tmp_path / "keep" / "x").exists()
