"""The command behind `make test`: it runs a few failed tests once more, alone."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[1] / "scripts" / "run_tests.py"
TESTS = """
import pathlib, pytest

def runs(name):
    with pathlib.Path(name).open("a") as file:
        file.write("x")
    return pathlib.Path(name).stat().st_size

@pytest.mark.xdist_group("one")
def test_in_a_group():
    assert runs("group") > 1

@pytest.mark.parametrize("value", ["a b@c", "[x]::y"])
def test_with_a_value(value):
    assert runs("value" + str(len(value))) > 1

def test_sound():
    assert runs("sound") == 1
"""
BROKEN = "\ndef test_broken():\n    assert False\n"


def run(folder: Path, again: str, *, text: str = TESTS) -> subprocess.CompletedProcess[str]:
    (folder / "test_some.py").write_text(text)
    (folder / "pytest.ini").write_text("[pytest]\n")
    environment = {name: value for name, value in os.environ.items() if "PYTEST" not in name}
    return subprocess.run(
        [sys.executable, str(SCRIPT), "-q", "-n2", "--dist=loadgroup"],
        cwd=folder,
        env=environment | {"STORECTL_AGAIN": again},
        capture_output=True,
        text=True,
        check=False,
    )


def test_tests_that_pass_alone_are_named(tmp_path: Path) -> None:
    done = run(tmp_path, "3")
    assert done.returncode == 0, done.stdout
    last = done.stdout.partition("passed alone:\n")[2].splitlines()
    assert sorted(last) == [
        "  test_some.py::test_in_a_group",
        "  test_some.py::test_with_a_value[[x]::y]",
        "  test_some.py::test_with_a_value[a b@c]",
    ]


@pytest.mark.parametrize(("again", "text"), [("", TESTS), ("2", TESTS), ("9", TESTS + BROKEN)])
def test_nothing_is_excused_without_leave(again: str, text: str, tmp_path: Path) -> None:
    done = run(tmp_path, again, text=text)
    assert done.returncode == 1, done.stdout
    assert "passed alone" not in done.stdout
