from __future__ import annotations

import pytest

from bench.model import Target


@pytest.mark.parametrize(
    ("at_least", "figure", "met"),
    [(True, 2.0, True), (True, 1.9, False), (False, 2.0, True), (False, 2.1, False)],
)
def test_a_figure_at_the_limit_meets_the_target(at_least: bool, figure: float, met: bool) -> None:
    assert Target("text", lambda _round: 0, 2, at_least=at_least).met_by(figure) is met
