"""The report in Markdown: pure, from results to text."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from bench.figures import judge
from bench.shown import contestant_row, figure, verdict

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from bench.model import Case
    from bench.results import CaseResult, Results

_HEAD: Final = """\
# Benchmarks

Written by `make bench` from [results.json](results.json); do not edit. What was tried, and why a target is missed where one is: [findings.md](findings.md).
How it is measured, and how to measure again: [bench/README.md](../../bench/README.md).
"""
_TARGETS: Final = """\
## Targets

The median over the rounds of a figure that is made within each round; beside it the least and the most. Where the work takes less than 3 s, the start of the
process (`storectl db current`) is taken off ours.
"""
_CASES: Final = """\
## Every case

Medians. *CPU* counts children and daemons. *Memory* is the largest resident size of any one process. *Temporary* is the most that lay on disk at once
beyond what stayed. *Ratio* is how many times as long as storectl it took, pair by pair, start-up included.
"""


def render(cases: Iterable[Case], results: Results, charts: Sequence[str]) -> str:
    """The whole report; ``charts`` are names of files beside it."""
    measured = [case for case in cases if results.rounds(case.name)]
    return "\n".join(
        (
            _HEAD,
            "## The machine\n",
            *_table(("", ""), [(key, value) for key, value in results.machine.items()]),
            _TARGETS,
            *_targets(measured, results),
            *(f"![{name}]({name})\n" for name in charts),
            _CASES,
            *(line for case in measured for line in _case(case, results.cases[case.name])),
        )
    )


def _targets(cases: Sequence[Case], results: Results) -> Iterator[str]:
    rows = []
    for case in cases:
        for index, target in enumerate(case.targets):
            found = judge(target, results.rounds(case.name))
            shown = ("not measured", "")
            if found.spread is not None:
                middle, low, high = (
                    figure(one, target.unit)
                    for one in (found.spread.median, found.spread.low, found.spread.high)
                )
                shown = (middle, f"{low} to {high}")
            rows.append(("" if index else case.title, target.text, *shown, verdict(found)))
    return _table(("work", "target", "measured", "spread", ""), rows)


def _case(case: Case, result: CaseResult) -> Iterator[str]:
    yield f"### {case.title}\n"
    yield (
        f"`make bench ONLY={case.name}`, {len(result.rounds)} rounds, measured {result.measured_at}"
        f" at `{result.revision}`.\n"
    )
    rows = [
        (
            (name, f"missing: {result.missing[name]}", *[""] * 7)
            if name in result.missing
            else (name, *contestant_row(result, name))
        )
        for name in result.contestants
    ]
    yield from _table(
        ("", "wall", "spread", "CPU", "rate", "memory", "temporary", "on disk", "ratio"), rows
    )


def _table(headings: Sequence[str], rows: Iterable[Sequence[str]]) -> Iterator[str]:
    yield "| " + " | ".join(headings) + " |"
    yield "|" + "---|" * len(headings)
    for row in rows:
        yield "| " + " | ".join(cell.replace("|", "\\|") for cell in row) + " |"
    yield ""
