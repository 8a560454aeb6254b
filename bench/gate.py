"""The regression gate: compares measured ratios with accepted ones.

Seconds are not compared, because they depend on the machine.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from bench.figures import judge

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from bench.model import Case
    from bench.results import Results

TOLERANCE: Final = 0.15
"""The tolerated change of a ratio: as much as rounds of one run differ on a busy machine."""


@dataclass(frozen=True, slots=True)
class Regression:
    """A ratio that is worse than the accepted one."""

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
        cases: The cases; figures with a unit are left out.
        results: The measurements.
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
        cases: The cases.
        baseline: The accepted ratios.
        measured: The measured ratios.
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
    """Return the accepted ratios in a file, or none if the file does not exist."""
    if not path.exists():
        return {}
    found: dict[str, float] = json.loads(path.read_text(encoding="utf-8"))
    return found


def accept(path: Path, measured: Mapping[str, float]) -> None:
    """Replace accepted ratios by the measured ones; the other accepted ratios stay."""
    path.write_text(
        json.dumps({**load(path), **measured}, indent=1, sort_keys=True, ensure_ascii=False) + "\n",
        encoding="utf-8",
    )


def _key(case: Case, text: str) -> str:
    return f"{case.name}: {text}"
