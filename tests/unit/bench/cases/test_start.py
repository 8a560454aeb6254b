from __future__ import annotations

import pytest

from bench.cases import CASES, start
from bench.model import Sample


def test_names_of_cases_are_unique() -> None:
    names = [case.name for case in CASES]
    assert sorted(set(names)) == sorted(names)


def test_commands_are_compared_with_the_start_of_python_and_sqlalchemy() -> None:
    (case,) = start.CASES
    seconds = {
        start._VERSION: 0.12,
        start._HELP: 0.06,
        start._IMAGES: 0.5,
        start._NOTHING: 0.02,
        start._SQLALCHEMY: 0.4,
    }
    found = {name: Sample(wall, wall) for name, wall in seconds.items()}
    assert [target.figure(found) for target in case.targets] == pytest.approx([6, 3, 1.25])
