from __future__ import annotations

import pytest

from bench.model import Sample, Target
from bench.reporting.figures import Spread, judge, of_contestant, paired

ROUNDS = [
    {"ours": Sample(1.0, 1.5), "theirs": Sample(3.0, 4.0)},
    {"ours": Sample(2.0, 1.5), "theirs": Sample(8.0, 4.0)},
    {"ours": Sample(4.0, 1.5), "theirs": Sample(8.0, 4.0)},
    {"ours": Sample(1.0, 1.5)},
]


def test_a_spread_is_the_median_between_the_least_and_the_most() -> None:
    assert Spread.of([3.0, 1.0, 2.0]) == Spread(2.0, 1.0, 3.0, 3)
    assert Spread.of([4.0, 1.0]) == Spread(2.5, 1.0, 4.0, 2)


def test_no_figures_have_no_spread() -> None:
    with pytest.raises(ValueError, match="no figures"):
        Spread.of([])


def test_ratios_are_made_within_a_round_before_the_median_is_taken() -> None:
    assert paired(ROUNDS, "ours", "theirs") == Spread(3.0, 2.0, 4.0, 3)


def test_a_contestant_counts_in_the_rounds_it_was_in() -> None:
    assert of_contestant(ROUNDS, "theirs", lambda sample: sample.wall_s) == Spread(8.0, 3.0, 8.0, 3)


@pytest.mark.parametrize(
    ("limit", "at_least", "met"),
    [(3.0, True, True), (3.1, True, False), (3.0, False, True), (2.9, False, False)],
)
def test_a_target_is_met_by_the_median(limit: float, at_least: bool, met: bool) -> None:
    target = Target(
        "text", lambda one: one["theirs"].wall_s / one["ours"].wall_s, limit, at_least=at_least
    )
    assert judge(target, ROUNDS).met is met


def test_a_target_whose_contestant_is_missing_is_neither_met_nor_missed() -> None:
    verdict = judge(Target("text", lambda one: one["absent"].wall_s, 1), ROUNDS)
    assert verdict.spread is None
    assert verdict.met is None
