"""Arguments that name archives, and those that name images."""

from __future__ import annotations

from pathlib import Path

import pytest

from store import errors
from storectl.commands._archives import ArchiveArgument, Scratch, archive_argument, explained


@pytest.mark.parametrize(
    ("text", "path", "image"),
    [
        ("./app.tar", "./app.tar", ""),
        ("sub/app.tar", "sub/app.tar", ""),
        ("docker-archive:app.tar", "app.tar", ""),
        ("docker-archive:app.tar:team/app:1", "app.tar", "team/app:1"),
        ("docker-archive:odd:name.tar", "odd:name.tar", ""),
        ("oci:sub", "sub", ""),
        ("oci:sub:1", "sub", "1"),
        ("dir:missing", "missing", ""),
        ("oci-archive:", ".", ""),
    ],
)
def test_archives(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str, path: str, image: str
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "sub").mkdir()
    for name in ("app.tar", "sub/app.tar", "odd:name.tar"):
        (tmp_path / name).touch()
    assert archive_argument(text) == ArchiveArgument(Path(path), image)


@pytest.mark.parametrize("text", ["app.tar", "team/app:1", "debian", "oci", "other:app.tar", ""])
def test_names_of_images(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "app.tar").touch()
    assert archive_argument(text) is None


def test_only_a_file_with_the_name_changes_the_hint(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "app.tar").touch()
    for names, hint in ((("x", "app.tar"), "write ./app.tar to read"), (("x",), "as it was")):
        with pytest.raises(errors.ImageNotFound) as caught, explained(*names):
            raise errors.ImageNotFound("No such image", hint="as it was")
        assert (caught.value.hint or "").startswith(hint)


def test_temporary_files_vanish() -> None:
    with Scratch() as scratch:
        one, other = scratch.new_file(), scratch.new_file()
        assert one != other
        one.touch()
    assert not one.parent.exists()
