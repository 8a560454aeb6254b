"""The members of an unpacked archive: the files of a folder."""

from __future__ import annotations

import os
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from store.errors import InvalidArchive, TooLarge, TruncatedInput, UnsafePath
from store.importing.members.folder import FolderMembers, _pieces
from store.model.limits import DEFAULT_LIMITS, Limits
from store.model.progress import Silent
from tests.support.images import A

if TYPE_CHECKING:
    from pathlib import Path

    from store.importing.staging import Stager


def opened(folder: Path, stager: Stager, limits: Limits = DEFAULT_LIMITS) -> FolderMembers:
    folder.mkdir(exist_ok=True)
    (folder / "manifest.json").write_bytes(b"[]")
    return FolderMembers(folder, stager, limits, Silent())


def test_names_and_files_in_folders_are_listed(tmp_path: Path, stager: Stager) -> None:
    folder = tmp_path / "archive"
    members = opened(folder, stager)
    for path in ("b/version", "b/c/version", "d/other"):
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).touch()
    (folder / "link").symlink_to("b")
    assert members.names_in() == ("b/", "d/", "link", "manifest.json")
    assert members.names_in("b") == ("c/", "version")
    assert members.find_all("version") == ("b/c/version", "b/version")


def test_a_link_may_lead_anywhere_inside_the_folder(tmp_path: Path, stager: Stager) -> None:
    folder = tmp_path / "archive"
    members = opened(folder, stager)
    (folder / "link").symlink_to(folder / "manifest.json")
    assert members.document("link") == b"[]"
    (tmp_path / "alias").symlink_to(folder)
    assert FolderMembers(tmp_path / "alias", stager, DEFAULT_LIMITS, Silent()).exists("link")


@pytest.mark.parametrize("path", ["/etc/passwd", "../secret", "a/../../secret", "out", "nul\0"])
def test_a_path_that_leaves_the_folder_is_refused(
    tmp_path: Path, stager: Stager, path: str
) -> None:
    (tmp_path / "secret").write_bytes(b"")
    members = opened(tmp_path / "archive", stager)
    (tmp_path / "archive" / "out").symlink_to(tmp_path / "secret")
    for ask in (members.exists, members.document):
        with pytest.raises(UnsafePath):
            ask(path)


def test_a_named_pipe_is_not_opened(tmp_path: Path, stager: Stager) -> None:
    members = opened(tmp_path, stager)
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(InvalidArchive):
        members.layer("pipe")


def test_a_file_that_shrinks_while_it_is_read_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "layer.tar"
    path.write_bytes(A)
    with pytest.raises(TruncatedInput):
        list(_pieces(path, len(A) + 1, "layer.tar"))
    assert b"".join(_pieces(path, 512, "layer.tar")) == A[:512]


def test_a_layer_beyond_the_limit_is_refused_before_it_is_read(
    tmp_path: Path, stager: Stager
) -> None:
    members = opened(tmp_path, stager, replace(DEFAULT_LIMITS, layer_bytes=len(A) - 1))
    (tmp_path / "layer.tar").write_bytes(A)
    with pytest.raises(TooLarge) as caught:
        members.layer("layer.tar")
    assert caught.value.limit == len(A) - 1


def test_a_link_to_a_folder_is_not_a_top_level_directory(tmp_path: Path, stager: Stager) -> None:
    folder = tmp_path / "archive"
    members = opened(folder, stager)
    (folder / "b").mkdir()
    (folder / "a").mkdir()
    (folder / "link").symlink_to(folder / "a")
    assert members.top_level_directories() == ("a", "b")
