"""Each attack of docs/security.md names a test that exists, and what it cost before and after."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

import pytest

ROOT: Final = Path(__file__).parents[1]
DOCUMENT: Final = ROOT / "docs" / "security.md"
ROW: Final = re.compile(r"^\| (?!attack |-)(.*) \|$", re.MULTILINE)
FILE: Final = re.compile(r"\[[^\]]*\]\(([^)]*)\)([^\[]*)")
CASES: Final = {0, 1, 2, 3, 4, 5, 7, 8, 9, 10, 11, 14, 15, 16, 17, 18, 19, 22, 24, 27, 29, 30, 31}
"""The numbers of the attacks that were programs."""

ROWS: Final = [
    tuple(row.split(" | "))
    for row in ROW.findall(DOCUMENT.read_text(encoding="utf-8").replace("|---", "|-"))
]


@pytest.mark.parametrize("row", ROWS, ids=[row[0][:30] for row in ROWS])
def test_the_tests_of_an_attack_exist(row: tuple[str, ...]) -> None:
    _, _, named, _, _ = row
    files = FILE.findall(named)
    assert files
    for link, names in files:
        text = (DOCUMENT.parent / link).read_text(encoding="utf-8")
        for name in re.findall(r"`(\w+)`", names):
            assert f"def {name}(" in text


@pytest.mark.parametrize("row", ROWS, ids=[row[0][:30] for row in ROWS])
def test_an_attack_has_its_cost_before_and_after(row: tuple[str, ...]) -> None:
    *_, before, after = row
    assert re.search(r"\d", before)
    assert re.search(r"\d", after)


def test_every_attack_is_listed() -> None:
    numbers = [int(found[0]) for row in ROWS if (found := re.match(r"\d+", row[0]))]
    assert set(numbers) == CASES
    assert len(numbers) == len(CASES)
