from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from bench.model import Case, Sample, Target
from bench.reporting import gate
from bench.reporting.results import CaseResult, Results

if TYPE_CHECKING:
    from pathlib import Path

FASTER = Target("faster", lambda one: one["theirs"].wall_s / one["ours"].wall_s, 3, at_least=True)
WITHIN = Target("within", lambda one: one["ours"].wall_s / one["limit"].wall_s, 1.3)
MEMORY = Target("memory", lambda one: one["ours"].peak_bytes / 2**20, 150, unit="MiB")
CASE = Case("case", "a case", lambda _shop: (), (FASTER, WITHIN, MEMORY))


def results(ours: float) -> Results:
    rounds = [
        {"ours": Sample(ours, 1, peak_bytes=2**20), "theirs": Sample(8, 1), "limit": Sample(2, 1)}
    ]
    return Results(cases={"case": CaseResult("a case", ["ours", "theirs", "limit"], rounds)})


def test_ratios_are_watched_and_figures_with_a_unit_are_not() -> None:
    assert gate.ratios([CASE], results(2)) == {"case: faster": 4.0, "case: within": 1.0}


@pytest.mark.parametrize(
    ("ours", "keys"),
    [
        (2.0, []),
        (1.0, []),
        (2.2, []),
        (2.33, ["case: within"]),
        (3.0, ["case: faster", "case: within"]),
    ],
)
def test_a_ratio_worse_by_more_than_the_tolerance_is_a_regression(
    ours: float, keys: list[str]
) -> None:
    found = gate.regressions(
        [CASE], gate.ratios([CASE], results(2)), gate.ratios([CASE], results(ours))
    )
    assert [regression.key for regression in found] == keys


def test_the_change_is_a_share_of_the_accepted_ratio() -> None:
    regression, _ = gate.regressions(
        [CASE],
        {"case: faster": 4.0, "case: within": 1.0},
        {"case: faster": 2.0, "case: within": 2.0},
    )
    assert regression == gate.Regression("case: faster", 4.0, 2.0)
    assert regression.worse_by == 0.5


def test_new_and_unmeasured_ratios_are_skipped() -> None:
    assert gate.regressions([CASE], {}, {"case: faster": 0.1}) == []
    assert gate.regressions([CASE], {"case: faster": 4.0}, {}) == []


def test_accepting_some_ratios_keeps_the_others(tmp_path: Path) -> None:
    path = tmp_path / "baseline.json"
    assert gate.load(path) == {}
    gate.accept(path, {"a: x": 1.0, "b: y": 2.0})
    gate.accept(path, {"b: y": 3.0})
    assert gate.load(path) == {"a: x": 1.0, "b: y": 3.0}
