"""Results on a terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.console import Console
from rich.table import Table

from bench.figures import judge, of_contestant, paired
from bench.shown import duration, figure, limit, rate, size, verdict

if TYPE_CHECKING:
    from collections.abc import Iterable

    from bench.model import Case
    from bench.results import CaseResult, Results


def show(cases: Iterable[Case], results: Results) -> None:
    """Print a table for each case, then all targets with what was measured beside them."""
    console = Console(width=None if Console().is_terminal else 160)
    measured = [case for case in cases if results.rounds(case.name)]
    for case in measured:
        console.print(_contestants(results.cases[case.name]))
    table = Table(title="Targets (median of paired figures)")
    for heading in ("work", "target", "measured", "from", "to", ""):
        table.add_column(heading, justify="right" if heading in {"measured", "from", "to"} else "left")
    for case in measured:
        for index, target in enumerate(case.targets):
            found = judge(target, results.rounds(case.name))
            row = (
                ("not measured", "", "")
                if found.spread is None
                else tuple(figure(one, target.unit) for one in (found.spread.median, found.spread.low, found.spread.high))
            )
            table.add_row("" if index else case.title, limit(target), *row, verdict(found))
    console.print(table)


def _contestants(result: CaseResult) -> Table:
    table = Table(title=result.title)
    for heading in ("", "wall", "spread", "CPU", "rate", "memory", "temporary", "on disk", "ratio"):
        table.add_column(heading, justify="left" if not heading else "right")
    for name in result.contestants:
        if name in result.missing:
            table.add_row(name, f"missing: {result.missing[name]}")
            continue
        wall = of_contestant(result.rounds, name, lambda sample: sample.wall_s)
        table.add_row(
            name,
            duration(wall.median),
            f"{duration(wall.low)}-{duration(wall.high)}",
            duration(of_contestant(result.rounds, name, lambda sample: sample.cpu_s).median),
            rate(result.input_bytes, wall.median),
            size(of_contestant(result.rounds, name, lambda sample: sample.peak_bytes).high),
            size(of_contestant(result.rounds, name, lambda sample: sample.temporary_bytes).high),
            size(of_contestant(result.rounds, name, lambda sample: sample.disk_bytes).median),
            f"{paired(result.rounds, result.ours, name).median:.2f}",
        )
    return table
