from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from bench.model import Sample
from bench.reporting.results import CaseResult, Results
from tests.support.bench_results import CASE

if TYPE_CHECKING:
    from pathlib import Path

charts = pytest.importorskip(
    "bench.reporting.charts", reason="matplotlib is in the bench group only"
)


def test_charts_depend_on_the_results_alone(tmp_path: Path) -> None:
    names = ["ours", "theirs", "cp + sync", "sha256"]
    rounds = [{name: Sample(1.0 + at, 1) for at, name in enumerate(names)}]
    found = Results(cases={"case": CaseResult("a case", names, rounds)})
    texts = []
    for folder in (tmp_path / "one", tmp_path / "two"):
        folder.mkdir()
        assert charts.draw([CASE], found, folder) == ["targets.svg", "case.svg"]
        texts.append([(folder / name).read_text() for name in ("targets.svg", "case.svg")])
    assert texts[0] == texts[1]
    assert all(text.count("\n") == 1 for text in texts[0])


def test_a_case_with_few_contestants_has_only_its_targets_drawn(tmp_path: Path) -> None:
    rounds = [{"ours": Sample(1, 1), "theirs": Sample(3, 1)}]
    found = Results(cases={"case": CaseResult("a case", ["ours", "theirs"], rounds)})
    assert charts.draw([CASE], found, tmp_path) == ["targets.svg"]
