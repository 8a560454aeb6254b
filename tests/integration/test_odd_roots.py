"""Roots and paths that are not UTF-8, and a current folder that is gone."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from tests.support.command_files import GOLDEN
from tests.support.command_line import Runner
from tests.support.mirror_process import Mirror

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

CHILD = "spec-golden-parent:child"
ODD = os.fsdecode(b"bad\xff")


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    found = tmp_path / ODD
    try:
        found.mkdir()
    except OSError:
        pytest.skip("this file system has only UTF-8 names")
    yield found
    # The reporter of pytest cannot remove such a folder on every system.
    shutil.rmtree(found, ignore_errors=True)


@pytest.fixture
def run(folder: Path, capfdbinary: pytest.CaptureFixture[bytes]) -> Runner:
    runner = Runner(folder / "store", capfdbinary)
    runner("import", str(GOLDEN / "parent-and-tags.tar"))
    return runner


@pytest.mark.parametrize(
    "verb",
    [
        ("images",),
        ("images", "--json"),
        ("images", "--tree"),
        ("inspect", CHILD),
        ("history", CHILD),
        ("df", "-v"),
        ("tag", CHILD, "x:1"),
        ("untag", CHILD),
        ("rm", CHILD),
        ("events",),
        ("gc", "--json"),
        ("gc", "--dry-run"),
        ("prune", "-f"),
        ("fsck", "--json"),
        ("db", "current"),
        ("db", "check"),
        ("db", "upgrade"),
        ("version", "--json"),
    ],
)
def test_every_verb_works_in_a_root_that_is_not_utf8(run: Runner, verb: tuple[str, ...]) -> None:
    run(*verb)


def test_archives_and_folders_with_such_names_are_read_and_written(
    run: Runner, folder: Path
) -> None:
    for form, name in (("docker", f"a{ODD}.tar"), ("oci", f"b{ODD}/")):
        output = f"{folder}/{name}"
        run("save", "--format", form, "-o", output, CHILD)
        run("images", output.rstrip("/"))
        run("import", output.rstrip("/"))


def test_errors_show_the_bytes_as_an_escape(run: Runner, folder: Path) -> None:
    (run.root / "write.lock").unlink()
    (run.root / "write.lock").mkdir()
    run("tag", CHILD, "x:1", code=9)
    assert "bad\\udcff/store/write.lock" in run.err
    (run.root / "write.lock").rmdir()
    run.root.rename(folder / "moved")
    run("images", "--json", code=10)
    assert json.loads(run.err)["Error"] == f"there is no store at {folder}/store".replace(
        ODD, "bad\\udcff"
    )


def test_a_server_works_in_such_a_root(run: Runner) -> None:
    # The test's own log lies beside the root.
    with Mirror(run.root, "-q") as mirror:
        assert mirror.request("GET", "/readyz")[0] == 200
        assert mirror.request("POST", "/v2/a/blobs/uploads/")[0] == 202
    assert "Traceback" not in mirror.log.read_text()


@pytest.mark.parametrize(
    ("verb", "code"),
    [
        (("images", ODD), 2),
        (("images", "--filter", f"label={ODD}"), 2),
        (("images", "--filter", f"reference={ODD}"), 2),
        (("images", "--tree", f"*{ODD}"), 2),
        (("inspect", ODD), 4),
        (("save", "-o", "x.tar", f"*{ODD}"), 4),
        (("tag", CHILD, ODD), 2),
        (("rm", ODD), 4),
        (("import", ODD), 4),
    ],
)
def test_arguments_that_are_not_utf8_are_refused_with_a_sentence(
    run: Runner, verb: tuple[str, ...], code: int
) -> None:
    run(*verb, code=code)
    assert "\\udcff" in run.err
    assert "internal error" not in run.err


@pytest.mark.parametrize(
    "verb", [("images",), ("import", "x.tar"), ("save", "-o", "x.tar", CHILD), ("fsck",)]
)
def test_a_current_folder_that_is_gone_is_named_or_not_needed(
    run: Runner, tmp_path: Path, verb: tuple[str, ...]
) -> None:
    gone = tmp_path / "gone"
    gone.mkdir()
    script = (
        "import os, sys; os.chdir(sys.argv[1]); os.rmdir(sys.argv[1]); sys.argv[1:] ="
        " sys.argv[2:]; from storectl.cli import main; main()"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, str(gone), "--root", str(run.root), *verb],
        capture_output=True,
        check=False,
    )
    assert done.returncode in {0, 4, 10}
    assert b"Traceback" not in done.stderr
    assert b"internal error" not in done.stderr
