"""The source tree keeps its shape: no circles, small modules, small folders, mirrored tests."""

from __future__ import annotations

import subprocess
from collections import Counter
from pathlib import Path
from typing import Final

from tests.support.imports import PACKAGES, ROOT, circles, imports, modules

MAX_MODULE_LINES: Final = 450
MAX_TEST_LINES: Final = 600
MAX_MODULES: Final = 16
ONE_FILE_PER_VERB: Final = "storectl/commands"
ONE_FILE_PER_REVISION: Final = "migrations/versions"
UNIT: Final = ROOT / "tests" / "unit"
ENTRY_POINTS: Final = {"storectl/__main__.py"}
"""Modules of a few lines that only a run of the program covers; tests/integration runs it."""


def tracked(*patterns: str) -> list[Path]:
    listed = subprocess.run(
        ["git", "ls-files", "-z", "-c", "-o", "--exclude-standard", *patterns],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    return [Path(name) for name in listed.split("\0") if name and (ROOT / name).exists()]


def lines(path: Path) -> int:
    return (ROOT / path).read_bytes().count(b"\n")


def test_circles_are_found() -> None:
    graph = {"a": {"b"}, "b": {"c"}, "c": {"b", "d"}, "d": set(), "e": {"e2"}, "e2": {"e"}}
    assert circles(graph) == [("b", "c"), ("e", "e2")]


def test_no_foundimport_each_other() -> None:
    assert circles(imports(modules())) == []
    assert circles(imports(modules(("bench",)))) == []


def test_foundare_small() -> None:
    shipped = tracked(*(f"{package}/*.py" for package in PACKAGES))
    assert {str(path): lines(path) for path in shipped if lines(path) > MAX_MODULE_LINES} == {}
    tests = tracked("tests/*.py", "bench/*.py")
    assert {str(path): lines(path) for path in tests if lines(path) > MAX_TEST_LINES} == {}


def test_folders_are_small() -> None:
    found = tracked(*(f"{package}/*.py" for package in (*PACKAGES, "bench")))
    folders = Counter(path.parent.as_posix() for path in found)
    del folders[ONE_FILE_PER_VERB], folders[ONE_FILE_PER_REVISION]
    assert {folder: count for folder, count in folders.items() if count > MAX_MODULES} == {}


def test_every_module_has_unit_tests_in_the_same_place() -> None:
    shipped = tracked(*(f"{package}/*.py" for package in PACKAGES if package != "migrations"))
    missing = []
    for path in shipped:
        if path.name == "__init__.py" or path.as_posix() in ENTRY_POINTS:
            continue
        if not (UNIT / path.parent / f"test_{path.stem.strip('_')}.py").exists():
            missing.append(path.as_posix())
    assert missing == []


def test_every_unit_test_has_a_module() -> None:
    stale = []
    for path in tracked("tests/unit/*.py"):
        if path.name == "conftest.py":
            continue
        place = path.relative_to("tests/unit")
        stem = place.name.removeprefix("test_").removesuffix(".py")
        folder = ROOT / place.parent
        names = {f"{stem}.py", f"_{stem}.py", f"{stem}_.py", f"__{stem}__.py"}
        if not any((folder / name).exists() for name in names):
            stale.append(path.as_posix())
    assert stale == []
