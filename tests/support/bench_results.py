"""Benchmark results of one case with three contestants."""

from __future__ import annotations

from bench.model import Case, Sample, Target
from bench.reporting.results import CaseResult, Results

FOUND = Results(
    {"cores": "2"},
    {
        "case": CaseResult(
            "a case",
            ["ours", "theirs", "gone"],
            [
                {
                    "ours": Sample(1.0, 1.5, 3_000_000, 0, 4_000_000, {"depth": 3.0}),
                    "theirs": Sample(3.0, 4.0),
                }
            ],
            {"gone": "it is not installed"},
            input_bytes=500_000_000,
            measured_at="2024-01-01",
            revision="abc",
        )
    },
)
CASE = Case(
    "case",
    "a case",
    lambda _shop: (),
    (
        Target(
            "≥ 2x faster than theirs",
            lambda one: one["theirs"].wall_s / one["ours"].wall_s,
            2,
            at_least=True,
        ),
    ),
)
