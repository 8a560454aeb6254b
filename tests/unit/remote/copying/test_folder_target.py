"""Folders of copies are what skopeo's ``dir:`` writes and an import reads."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from remote.copying.folder_target import FolderTarget, file_name
from remote.pushing.report import NoListener
from store import Store
from store.errors import InvalidInput
from store.model.digests import Digest
from store.model.progress import Silent
from tests.support.sent_images import import_index, receive, survey

if TYPE_CHECKING:
    from pathlib import Path


def target(folder: Path) -> FolderTarget:
    return FolderTarget(folder, jobs=2, progress=Silent(), listener=NoListener())


def test_an_import_reads_the_folder(store: Store, tmp_path: Path) -> None:
    layout = import_index(store)
    folder = tmp_path / "folder"

    receive(store, target(folder))

    root = layout.roots[0]["digest"]
    assert (folder / "manifest.json").read_bytes() == layout.blobs[root]
    assert (folder / "version").read_text() == "Directory Transport Version: 1.1\n"
    with Store.open(tmp_path / "again", create=True) as again:
        again.import_archive(folder)
        assert Digest.parse(root) in again.sources([Digest.parse(root)])


def test_the_image_of_the_folder_is_replaced(store: Store, tmp_path: Path) -> None:
    import_index(store)
    folder = tmp_path / "folder"
    receive(store, target(folder))
    before = {one.name for one in folder.iterdir()}
    (folder / "0123").write_bytes(b"of another image")

    receive(store, target(folder))

    assert {one.name for one in folder.iterdir()} == before


def test_folders_of_something_else_are_refused(store: Store, tmp_path: Path) -> None:
    import_index(store)
    (tmp_path / "notes").mkdir()
    (tmp_path / "notes" / "mine").write_text("text")
    with pytest.raises(InvalidInput, match="no image of this kind"):
        receive(store, target(tmp_path / "notes"))
    (tmp_path / "notes" / "version").mkdir()
    with pytest.raises(InvalidInput, match="is not a file"):
        receive(store, target(tmp_path / "notes"))
    assert (tmp_path / "notes" / "version").is_dir()


def test_a_survey_writes_nothing(store: Store, tmp_path: Path) -> None:
    import_index(store)
    asked = survey(store, target(tmp_path / "folder"))
    assert (len(asked.missing), len(asked.absent)) == (6, 4)
    assert not (tmp_path / "folder").exists()


def test_only_other_algorithms_are_in_the_name() -> None:
    assert file_name(Digest.of(b"")) == Digest.of(b"").hex
    assert file_name(Digest.of(b"", "sha512")) == f"sha512-{Digest.of(b'', 'sha512').hex}"
