"""Files below a folder: all or none, with their modes, and never over the files of others."""

from __future__ import annotations

import stat
from typing import TYPE_CHECKING

import pytest

from store.errors import InvalidInput, StoreError
from storectl.client_config.mirror import ClientFile
from storectl.client_config.writing import RECORD, FileTaken, write

if TYPE_CHECKING:
    from pathlib import Path

MAIN = ClientFile("/etc/a/main", "main\n")
SECRET = ClientFile("/root/.b/login", "word\n", is_main=False, is_secret=True)


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def files(folder: Path) -> dict[str, str]:
    return {
        str(path.relative_to(folder)): path.read_text()
        for path in folder.rglob("*")
        if path.is_file() and path != folder / RECORD[1:]
    }


def test_files_are_written_to_their_places_with_their_modes(tmp_path: Path) -> None:
    folder = tmp_path / "new"
    written = write([MAIN, SECRET], folder, force=False)
    assert written == [folder / "etc/a/main", folder / "root/.b/login"]
    assert files(folder) == {"etc/a/main": "main\n", "root/.b/login": "word\n"}
    assert [mode(path) for path in written] == [0o644, 0o600]
    assert mode(folder / RECORD[1:]) == 0o600
    assert "word" not in (folder / RECORD[1:]).read_text()


def test_file_that_was_written_here_is_replaced(tmp_path: Path) -> None:
    write([MAIN, SECRET], tmp_path, force=False)
    write([ClientFile("/etc/a/main", "new\n")], tmp_path, force=False)
    write([ClientFile("/root/.b/login", "new\n", is_secret=True)], tmp_path, force=False)
    assert files(tmp_path) == {"etc/a/main": "new\n", "root/.b/login": "new\n"}


def test_file_with_the_same_content_is_no_obstacle(tmp_path: Path) -> None:
    path = tmp_path / "root/.b/login"
    path.parent.mkdir(parents=True)
    path.write_text("word\n")
    path.chmod(0o644)
    write([SECRET], tmp_path, force=False)
    assert mode(path) == 0o600


@pytest.mark.parametrize("is_edited", [True, False])
def test_file_of_somebody_else_stays_without_force(tmp_path: Path, *, is_edited: bool) -> None:
    if is_edited:
        write([MAIN], tmp_path, force=False)
    path = tmp_path / "etc/a/main"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("by hand\n")
    with pytest.raises(FileTaken) as refused:
        write([SECRET, MAIN], tmp_path, force=False)
    assert refused.value.paths == (path,)
    assert files(tmp_path) == {"etc/a/main": "by hand\n"}
    write([SECRET, MAIN], tmp_path, force=True)
    assert files(tmp_path) == {"etc/a/main": "main\n", "root/.b/login": "word\n"}


def test_symbolic_link_is_not_followed(tmp_path: Path) -> None:
    target = tmp_path / "target"
    target.write_text("theirs\n")
    link = tmp_path / "etc/a/main"
    link.parent.mkdir(parents=True)
    link.symlink_to(target)
    with pytest.raises(FileTaken):
        write([MAIN], tmp_path, force=False)
    write([MAIN], tmp_path, force=True)
    assert (target.read_text(), link.is_symlink(), link.read_text()) == (
        "theirs\n",
        False,
        "main\n",
    )


def test_folder_in_the_place_of_a_file_is_refused_and_nothing_is_written(tmp_path: Path) -> None:
    (tmp_path / "etc/a/main").mkdir(parents=True)
    with pytest.raises(FileTaken):
        write([SECRET, MAIN], tmp_path, force=False)
    with pytest.raises(InvalidInput):
        write([SECRET, MAIN], tmp_path, force=True)
    assert files(tmp_path) == {}


def test_file_in_the_place_of_a_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "etc").write_text("")
    with pytest.raises(StoreError):
        write([MAIN], tmp_path, force=True)
    assert files(tmp_path) == {"etc": ""}


@pytest.mark.parametrize("text", ["", "[", "[]", '{"/etc/a/main": 1}', "[" * 100_000])
def test_record_that_cannot_be_read_proves_nothing(text: str, tmp_path: Path) -> None:
    write([MAIN], tmp_path, force=False)
    (tmp_path / RECORD[1:]).write_text(text)
    with pytest.raises(FileTaken):
        write([ClientFile("/etc/a/main", "new\n")], tmp_path, force=False)
    write([MAIN], tmp_path, force=False)
