"""The commands that a server runs."""

from __future__ import annotations

import sys
from datetime import timedelta
from pathlib import Path

from storectl.commands._programs import collection_program, program


def test_a_program_has_absolute_paths_and_no_modules_of_its_folder() -> None:
    found = program(Path("store"), "sync", "FILE")
    assert found == (
        *(sys.executable, "-P", "-m", "storectl"),
        *("--root", str(Path.cwd() / "store"), "sync", "FILE"),
    )


def test_a_collection_has_the_limits_of_the_server() -> None:
    root = Path("/store")
    assert collection_program(root, timedelta(hours=2), 5)[-4:] == (
        *("gc", "--json", "--cache-age=7200s", "--cache-size=5"),
    )
    assert collection_program(root, None, 0)[-2:] == ("--json", "--cache-size=0")
