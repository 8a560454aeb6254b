"""The report in Markdown, generated from the results."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from bench.reporting.figures import judge
from bench.reporting.formatting import contestant_row, figure, request_counts, verdict

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from bench.model import Case
    from bench.reporting.results import CaseResult, Results

_HEAD: Final = """\
# Benchmarks

`make bench` writes this page from [results.json](results.json); do not edit it.

- [findings.md](findings.md) says what was tried, and why a target is missed.
- [bench/README.md](../../bench/README.md) says how storectl is measured, and how you repeat it.
"""
_TARGETS: Final = """\
## Targets

- *Measured*: each round gives one figure; this is the median of the rounds.
- *Spread*: the smallest and the largest figure of a round.
- If the work takes less than 3 s, the time to start Python (`storectl db current`) is subtracted
  from storectl's time.
"""
_CASES: Final = """\
## Every case

Wall time, CPU time, size on disk and ratio are medians of the rounds. The rate is the size of the
input divided by the wall time. Memory and temporary disk are the largest figures of all rounds.

- *Spread*: the shortest and the longest wall time.
- *CPU*: user and system time, including child processes and daemons.
- *Memory*: the largest resident size of a single process.
- *Temporary*: disk space that the contestant used and freed before it ended, at its peak.
- *Ratio*: the contestant's time divided by storectl's time in the same round. Both times include
  the start of the process.
- *Requests*: the median of the requests that the server has logged.
"""


def render(cases: Iterable[Case], results: Results, charts: Sequence[str]) -> str:
    """Return the whole report.

    Args:
        cases: The cases in the order of the report; a case without results is left out.
        results: The measurements of all cases.
        charts: The names of the chart files, which are in the report's folder.
    """
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
    commit, _, changed = result.revision.partition(", ")
    yield (
        f"Measured on {result.measured_at} by `make bench ONLY={case.name}`, at revision\n"
        f"`{commit}`{' with later changes' if changed else ''}. Rounds: {len(result.rounds)}.\n"
    )
    counts = request_counts(result)
    rows = [
        (
            (name, f"missing: {result.missing[name]}", *[""] * 7)
            if name in result.missing
            else (name, *contestant_row(result, name)),
            (counts.get(name, ""),) if counts else (),
        )
        for name in result.contestants
    ]
    yield from _table(
        (
            *("", "wall", "spread", "CPU", "rate", "memory", "temporary", "on disk", "ratio"),
            *(("requests",) if counts else ()),
        ),
        [(*row, *count) for row, count in rows],
    )


def _table(headings: Sequence[str], rows: Iterable[Sequence[str]]) -> Iterator[str]:
    yield "| " + " | ".join(headings) + " |"
    yield "|" + "---|" * len(headings)
    for row in rows:
        yield "| " + " | ".join(cell.replace("|", "\\|") for cell in row) + " |"
    yield ""
