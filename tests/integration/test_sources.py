"""The sources of an import: several archives, archives in a folder, and trees of folders."""

from __future__ import annotations

import io
import json
import tarfile
from typing import TYPE_CHECKING

import pytest

from storectl.output.exit_codes import ExitCode
from tests.support.command_line import Runner
from tests.support.images import A, B, image
from tests.unit.store.formats.archives.test_dir_tree import dir_files

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def run(tmp_path: Path, capfdbinary: pytest.CaptureFixture[bytes]) -> Runner:
    return Runner(tmp_path / "store", capfdbinary)


@pytest.fixture
def sources(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a folder, also the current one, with two archives around one that is none."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a.tar").write_bytes(image(A, tags=("a:1",)).bytes())
    (tmp_path / "b.tar").write_bytes(b"PK\x03\x04" + bytes(100))
    (tmp_path / "c.tar").write_bytes(image(B, tags=("c:1",)).bytes())
    return tmp_path


def packed(files: dict[str, bytes]) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as made:
        for name, data in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            made.addfile(info, io.BytesIO(data))
    return out.getvalue()


@pytest.mark.usefixtures("sources")
def test_an_error_names_its_source_and_what_became_of_the_others(run: Runner) -> None:
    run("import", "a.tar", "b.tar", "c.tar", code=ExitCode.INVALID_INPUT)
    assert run.err.splitlines()[-4:] == [
        "storectl: error: cannot import b.tar: not an image archive: the input is a zip file",
        "  imported: a.tar",
        "  not tried: c.tar",
        "hint: unpack it, and import the archive in it",
    ]
    assert run("images", "-q").count("\n") == 1
    run("import", "gone.tar", code=ExitCode.INVALID_INPUT)
    assert run.err == "storectl: error: cannot import gone.tar: no such file\n"
    run("import", "--dry-run", "a.tar", "b.tar", code=ExitCode.INVALID_INPUT)
    assert "\n  checked: a.tar\n" in run.err


@pytest.mark.usefixtures("sources")
def test_keep_going_ends_with_the_code_of_the_first_failure(run: Runner) -> None:
    run("import", "--keep-going", "b.tar", "a.tar", "gone.tar", "c.tar", code=4)
    assert "cannot import b.tar" in run.err
    assert "cannot import gone.tar: no such file" in run.err
    assert run.err.endswith("2 of 4 archives were imported\n")
    assert run("images", "--format", "{{.Repository}}").split() == [
        "c",
        "a",
    ] or run.out.split() == [
        "a",
        "c",
    ]
    run("import", "--keep-going", "a.tar", "c.tar")
    assert "archives were" not in run.err


@pytest.mark.usefixtures("sources")
@pytest.mark.parametrize("keep_going", [False, True])
def test_json_has_an_object_for_each_source(run: Runner, *, keep_going: bool) -> None:
    flags = ["--keep-going"] if keep_going else []
    run("import", "--json", *flags, "a.tar", "b.tar", "c.tar", code=4)
    first, second, third = json.loads(run.out)
    assert (first["Source"], first["NewImages"]) == ("a.tar", 1)
    assert second["Source"] == "b.tar"
    assert second["Tried"] is True
    assert second["Error"]["ExitCode"] == 4
    assert "zip" in second["Error"]["Message"]
    assert second["Error"]["Hints"] == ["unpack it, and import the archive in it"]
    if keep_going:
        assert third["NewImages"] == 1
    else:
        assert third == {"Source": "c.tar", "Error": None, "Tried": False}


@pytest.mark.parametrize("depth", [1, 3])
@pytest.mark.parametrize("way", ["tar", "folder"])
def test_an_archive_in_a_folder_is_unwrapped_with_a_note(
    run: Runner, tmp_path: Path, way: str, depth: int
) -> None:
    folder = tmp_path / "in"
    with tarfile.open(fileobj=io.BytesIO(image(A, tags=("a:1",)).bytes())) as made:
        files = {
            one.name: made.extractfile(one).read()  # type: ignore[union-attr]
            for one in made
            if one.isfile()
        }
    path = "/".join(["app", "b", "c"][:depth])
    wrapped = {f"{path}/{name}": data for name, data in files.items()} | {".DS_Store": b"x"}
    for name, data in wrapped.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(data)
    (tmp_path / "in.tar").write_bytes(packed(wrapped))
    run("import", str(folder if way == "folder" else tmp_path / "in.tar"))
    assert run.out == "Loaded image: a:1\n"
    assert f"note: the files of the archive are in the folder '{path}/'\n" in run.err


@pytest.mark.parametrize("way", ["tar", "folder"])
def test_a_tree_of_skopeo_sync_keeps_the_names(run: Runner, tmp_path: Path, way: str) -> None:
    tree = {
        f"{folder}/{name}": data
        for folder, layer in (("busybox:1", A), ("quay.io/team/app:2", B))
        for name, data in dir_files(layer).items()
    }
    for name, data in tree.items():
        (tmp_path / "in" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "in" / name).write_bytes(data)
    (tmp_path / "in.tar").write_bytes(packed(tree))
    run("import", str(tmp_path / ("in" if way == "folder" else "in.tar")))
    assert sorted(run.out.splitlines()) == [
        "Loaded image: busybox:1",
        "Loaded image: quay.io/team/app:2",
    ]
    run("fsck")


def test_a_folder_without_images_is_called_by_its_name(run: Runner, tmp_path: Path) -> None:
    for name in ("etc/passwd", "usr/bin/sh", "bin/sh"):
        (tmp_path / "root" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "root" / name).touch()
    run("import", str(tmp_path / "root"), code=4)
    assert "it holds a root file system, as `docker export` writes it" in run.err
    (tmp_path / "two").mkdir()
    (tmp_path / "two" / "a.tar").touch()
    run("import", str(tmp_path / "two"), code=4)
    assert "it holds archives: a.tar" in run.err
    (tmp_path / "none").mkdir()
    run("import", str(tmp_path / "none"), code=4)
    assert "contains no images" in run.err
