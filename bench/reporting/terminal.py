"""Tables of the results for a terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.console import Console
from rich.table import Table

from bench.reporting.figures import judge
from bench.reporting.formatting import contestant_row, figure, verdict

if TYPE_CHECKING:
    from collections.abc import Iterable

    from bench.model import Case
    from bench.reporting.results import CaseResult, Results


def show(cases: Iterable[Case], results: Results) -> None:
    """Print a table for each measured case, then a table of all targets.

    Args:
        cases: The cases to show; cases without results are left out.
        results: The measurements of all cases.
    """
    console = Console(width=None if Console().is_terminal else 160)
    measured = [case for case in cases if results.rounds(case.name)]
    for case in measured:
        console.print(_contestants(results.cases[case.name]))
    table = Table(title="Targets (median of paired figures)")
    for heading in ("work", "target", "measured", "from", "to", ""):
        table.add_column(
            heading, justify="right" if heading in {"measured", "from", "to"} else "left"
        )
    for case in measured:
        for index, target in enumerate(case.targets):
            found = judge(target, results.rounds(case.name))
            row = (
                ("not measured", "", "")
                if found.spread is None
                else tuple(
                    figure(one, target.unit)
                    for one in (found.spread.median, found.spread.low, found.spread.high)
                )
            )
            table.add_row("" if index else case.title, target.text, *row, verdict(found))
    console.print(table)


def _contestants(result: CaseResult) -> Table:
    table = Table(title=result.title)
    for heading in ("", "wall", "spread", "CPU", "rate", "memory", "temporary", "on disk", "ratio"):
        table.add_column(heading, justify="right" if heading else "left")
    for name in result.contestants:
        if name not in result.missing:
            table.add_row(name, *contestant_row(result, name))
    if result.missing:
        table.caption = "missing: " + "; ".join(
            f"{name} ({why})" for name, why in result.missing.items()
        )
    return table
