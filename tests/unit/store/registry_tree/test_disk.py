"""The files of a registry are found below several folders, and no link is followed."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from store.errors import InvalidInput, PermissionDenied, TooLarge, UnsafePath
from store.model.digests import Digest
from store.model.limits import TreeLimits
from store.registry_tree.disk import Tree

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.registry_trees import RegistryFiles

DATA = b"some bytes"
NOBODY = 65534
"""The ID of a user without rights."""


@pytest.mark.parametrize("below", ["", "docker", "docker/registry", "docker/registry/v2"])
def test_the_folder_may_be_each_one_down_to_the_storage(files: RegistryFiles, below: str) -> None:
    digest = Digest.parse(files.put(DATA))
    with Tree(files.folder / below) as tree:
        assert tree.blob_size(digest) == len(DATA)
        file = tree.open_blob(digest)
        assert file is not None
        with file:
            assert file.read() == DATA
        assert tree.open_blob(Digest.of(b"other")) is None
        assert tree.open_blob(Digest.of(b"other", "sha512")) is None


def test_another_folder_is_refused(tmp_path: Path, files: RegistryFiles) -> None:
    with pytest.raises(InvalidInput, match="no such folder"):
        Tree(tmp_path / "absent")
    with pytest.raises(InvalidInput, match="not a folder"):
        Tree(files.blob(files.put(DATA)))
    with pytest.raises(InvalidInput, match="not the storage of a registry"):
        Tree(files.root / "repositories")


def test_names_in_a_database_are_explained(files: RegistryFiles) -> None:
    (files.root / "repositories").rmdir()
    with pytest.raises(InvalidInput, match="no repositories") as caught:
        Tree(files.folder)
    assert "database" in (caught.value.hint or "")


def test_a_link_out_of_the_named_folder_is_refused(tmp_path: Path, files: RegistryFiles) -> None:
    other = tmp_path / "other"
    other.mkdir()
    (other / "docker").symlink_to(files.folder / "docker")
    with pytest.raises(UnsafePath):
        Tree(other)
    # The user names the folder itself, also by a link.
    (tmp_path / "link").symlink_to(files.folder)
    Tree(tmp_path / "link").close()


@pytest.mark.parametrize("part", ["data", "hex", "fan", "algorithm", "fifo"])
def test_a_link_or_a_special_file_in_the_place_of_a_blob_is_not_followed(
    tmp_path: Path, files: RegistryFiles, part: str
) -> None:
    digest = Digest.parse(files.put(DATA))
    path = files.blob(str(digest))
    path = {"hex": path.parent, "fan": path.parents[1], "algorithm": path.parents[2]}.get(
        part, path
    )
    moved = tmp_path / "moved"
    path.rename(moved)
    if part == "fifo":
        os.mkfifo(path)
    else:
        path.symlink_to(moved)
    with Tree(files.folder) as tree, pytest.raises(UnsafePath):
        tree.blob_size(digest)


def test_a_folder_has_a_ceiling_of_entries(files: RegistryFiles) -> None:
    for number in range(4):
        (files.root / "repositories" / f"r{number}").mkdir()
    with Tree(files.folder, TreeLimits(entries=4)) as tree:
        names = [entry.name for entry in tree.entries("repositories")]
        assert names == ["r0", "r1", "r2", "r3"]
        assert tree.entries("absent") == []
    with Tree(files.folder, TreeLimits(entries=3)) as tree, pytest.raises(TooLarge):
        tree.entries("repositories")


def test_a_file_that_may_not_be_read_is_named(files: RegistryFiles) -> None:
    digest = Digest.parse(files.put(DATA))
    files.blob(str(digest)).chmod(0)
    user = os.geteuid()
    with Tree(files.folder) as tree, pytest.raises(PermissionDenied, match="data"):
        if user == 0:
            # Root may read every file.
            os.seteuid(NOBODY)
        try:
            tree.open_blob(digest)
        finally:
            os.seteuid(user)
