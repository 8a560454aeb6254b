"""The regression gate: it compares measured ratios with accepted ratios.

Seconds are not compared, because they depend on the machine.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from bench.reporting.figures import judge

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from bench.model import Case
    from bench.reporting.results import Results

TOLERANCE: Final = 0.15
"""The tolerated change of a ratio; on a busy machine, rounds of one run differ by this much."""


@dataclass(frozen=True, slots=True)
class Regression:
    """A measured ratio that is worse than the accepted ratio."""

    key: str
    accepted: float
    measured: float

    @property
    def worse_by(self) -> float:
        """The change as a share of the accepted ratio."""
        return abs(self.measured - self.accepted) / self.accepted


def ratios(cases: Iterable[Case], results: Results) -> dict[str, float]:
    """Return the median of every measured ratio, by "case: target".

    Args:
        cases: The cases whose ratios to return; targets with a unit are left out.
        results: The measurements of all cases.
    """
    found = {}
    for case in cases:
        for target in case.targets:
            spread = judge(target, results.rounds(case.name)).spread
            if not target.unit and spread is not None:
                found[_key(case, target.text)] = round(spread.median, 3)
    return found


def regressions(
    cases: Iterable[Case],
    baseline: Mapping[str, float],
    measured: Mapping[str, float],
    tolerance: float = TOLERANCE,
) -> list[Regression]:
    """Return the ratios that became worse by more than ``tolerance``.

    Ratios that were not accepted before or not measured now are skipped.

    Args:
        cases: The cases whose targets to compare.
        baseline: The accepted ratios, by "case: target".
        measured: The measured ratios, by "case: target".
        tolerance: The tolerated change, as a share of the accepted ratio.
    """
    found = []
    for case in cases:
        for target in case.targets:
            key = _key(case, target.text)
            if key not in baseline or key not in measured:
                continue
            accepted, now = baseline[key], measured[key]
            limit = accepted * (1 - tolerance) if target.at_least else accepted * (1 + tolerance)
            if (now < limit) if target.at_least else (now > limit):
                found.append(Regression(key, accepted, now))
    return found


def load(path: Path) -> dict[str, float]:
    """Return the accepted ratios in a file; an empty dict if the file does not exist."""
    if not path.exists():
        return {}
    found: dict[str, float] = json.loads(path.read_text(encoding="utf-8"))
    return found


def accept(path: Path, measured: Mapping[str, float]) -> None:
    """Write measured ratios to the file of accepted ratios; keep ratios that were not measured."""
    path.write_text(
        json.dumps({**load(path), **measured}, indent=1, sort_keys=True, ensure_ascii=False) + "\n",
        encoding="utf-8",
    )


def _key(case: Case, text: str) -> str:
    return f"{case.name}: {text}"
