"""Errors of the operating system: whose file they concern, what failed, and what to do."""

from __future__ import annotations

import os
import subprocess
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from storectl.output.exit_codes import ExitCode
from tests.support.command_line import Runner
from tests.support.images import image, layer
from tests.support.other_users import as_root, run_as

if TYPE_CHECKING:
    from collections.abc import Iterator

NOBODY = 12345
BIG = layer("big", bytes(range(256)) * 12_000)


@pytest.fixture
def run(tmp_path: Path, capfdbinary: pytest.CaptureFixture[bytes]) -> Runner:
    """Return a command line on a store with the image app:1 of three megabytes."""
    run = Runner(tmp_path / "store", capfdbinary)
    (tmp_path / "app.tar").write_bytes(image(BIG, tags=("app:1",)).bytes())
    run("import", str(tmp_path / "app.tar"))
    return run


@contextmanager
def mounted(folder: Path, options: str) -> Iterator[Path]:
    """Mount a file system in memory; skip the test where that is not allowed."""
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(folder)]
    if subprocess.run(command, check=False, capture_output=True).returncode:
        pytest.skip("the system does not let this process mount a file system")
    try:
        yield folder
    finally:
        subprocess.run(["umount", str(folder)], check=True)


@as_root
@pytest.mark.parametrize("form", ["x.tar", "layout/"])
def test_a_full_disk_is_reported_with_the_file_and_the_sizes(
    run: Runner, tmp_path: Path, form: str
) -> None:
    with mounted(tmp_path / "small", "size=1m") as folder:
        output = f"{folder}/{form}"
        run("save", "--format", "oci", "-o", output, "app:1", code=ExitCode.STORAGE_FULL)
        assert f"error: {output.rstrip('/')}" in run.err
        assert "No space left on device: the output has 30" in run.err
        assert run.err.rstrip().splitlines()[-1] == (
            "hint: free some space on that file system, or write to another one"
        )
        assert "gc" not in run.err
        assert list(folder.iterdir()) == []


@as_root
@pytest.mark.parametrize("form", ["x.tar", "layout/"])
def test_a_read_only_disk_is_not_called_the_stores(run: Runner, tmp_path: Path, form: str) -> None:
    with mounted(tmp_path / "fixed", "ro") as folder:
        run("save", "--format", "oci", "-o", f"{folder}/{form}", "app:1", code=ExitCode.READ_ONLY)
    assert f"error: {folder}/{form.rstrip('/')}: Read-only file system" in run.err
    assert "hint: that file system is mounted read-only: write to another one" in run.err


@pytest.mark.parametrize("form", ["x.tar", "layout/"])
def test_a_folder_in_which_nothing_can_be_created_is_not_called_missing(
    run: Runner, form: str
) -> None:
    run("save", "--format", "oci", "-o", f"/proc/{form}", "app:1", code=ExitCode.INVALID_INPUT)
    assert "nothing can be created in its folder" in run.err
    run("save", "-o", "/gone/for/ever.tar", "app:1", code=ExitCode.INVALID_INPUT)
    assert "its folder does not exist" in run.err


@pytest.fixture
def shared() -> Iterator[Path]:
    """Yield a folder that every user may enter, with an archive and a folder of another user."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o711)
        archive = folder / "app.tar"
        archive.write_bytes(image(BIG, tags=("app:1",)).bytes())
        archive.chmod(0o644)
        (folder / "theirs").mkdir()
        os.chown(folder / "theirs", NOBODY, NOBODY)
        yield folder


@as_root
def test_a_forbidden_input_or_output_is_not_called_the_stores(shared: Path) -> None:
    archive, output = shared / "app.tar", shared / "x.tar"
    root = ("--root", str(shared / "theirs" / "store"))
    archive.chmod(0o600)
    done = run_as(NOBODY, *root, "import", str(archive))
    assert done.returncode == ExitCode.NO_PERMISSION, done.stderr
    assert f"cannot import {archive}: Permission denied".encode() in done.stderr
    assert b"permissions of the file" in done.stderr
    archive.chmod(0o644)
    assert run_as(NOBODY, *root, "import", str(archive)).returncode == 0
    done = run_as(NOBODY, *root, "save", "-o", str(output), "app:1")
    assert done.returncode == ExitCode.NO_PERMISSION
    assert f"{output}: Permission denied".encode() in done.stderr
    assert b"store" not in done.stderr.rpartition(b"hint")[2]


@as_root
def test_gc_says_which_user_owns_the_files(shared: Path) -> None:
    root = ("--root", str(shared / "theirs" / "store"))
    assert run_as(NOBODY, *root, "import", str(shared / "app.tar")).returncode == 0
    assert run_as(NOBODY, *root, "rm", "app:1").returncode == 0
    blobs = shared / "theirs" / "store" / "blobs"
    subprocess.run(["chown", "-R", "0:0", str(blobs)], check=True)
    done = run_as(NOBODY, *root, "gc")
    assert done.returncode == ExitCode.NO_PERMISSION, done.stderr
    assert b"Permission denied" in done.stderr
    assert b"belongs to root: run the command as that user" in done.stderr
