"""Types of options whose errors say what was wrong with the value."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import click
import pytest

from storectl.system.parameters import FilePath, Seconds, WholeNumber


def refused(kind: click.ParamType[Any], value: str) -> str:
    with pytest.raises(click.BadParameter) as caught:
        kind.convert(value, None, None)
    return caught.value.message


@pytest.mark.parametrize(
    ("value", "says"),
    [
        ("", "the path is empty. Is a variable not set?"),
        ("~", "the shell did not replace the tilde in '~'. Write the whole path"),
        ("~/x", "the shell did not replace the tilde in '~/x'. Write the whole path"),
    ],
)
def test_paths_that_cannot_be_meant_are_refused(value: str, says: str) -> None:
    for kind in (FilePath(), FilePath(folder=True), FilePath(dash=True, path_type=Path)):
        assert refused(kind, value) == says


def test_a_file_is_no_folder(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_bytes(b"")
    says = f"{str(file)!r} is a file, not a folder"
    assert refused(FilePath(folder=True), str(file)) == says
    assert "is a file, not a folder" in refused(FilePath(folder=True), os.devnull)
    assert FilePath(folder=True).convert(str(tmp_path), None, None) == str(tmp_path)


def test_other_paths_are_accepted(tmp_path: Path) -> None:
    assert FilePath().convert("a/~/b", None, None) == "a/~/b"
    assert FilePath(path_type=Path).convert("./~", None, None) == Path("./~")
    assert FilePath(dash=True).convert("-", None, None) == "-"
    assert "does not exist" in refused(FilePath(exists=True), str(tmp_path / "gone"))


def test_a_number_is_called_a_number() -> None:
    assert refused(WholeNumber(min=1), "abc") == "'abc' is not a valid whole number."
    assert WholeNumber(min=1).convert(7, None, None) == 7


@pytest.mark.parametrize(("value", "seconds"), [("0", 0), ("2.5", 2.5), ("1e6", 1_000_000)])
def test_a_time_may_have_a_fraction(value: str, seconds: float) -> None:
    assert Seconds().convert(value, None, None) == seconds


@pytest.mark.parametrize("value", ["-1", "nan", "inf", "1e7", "soon", ""])
def test_a_time_that_nobody_can_wait_is_refused(value: str) -> None:
    assert refused(Seconds(), value) == (f"{value!r} is not a number of seconds from 0 to 1000000")
