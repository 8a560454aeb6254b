"""Has something become slower? Ratios are compared with those that were accepted last, never seconds: another machine has other seconds."""

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
"""How much worse a ratio may be before it counts: as much as rounds of one run differ on a busy machine."""


@dataclass(frozen=True, slots=True)
class Regression:
    """A ratio that is worse than the accepted one."""

    key: str
    accepted: float
    measured: float

    @property
    def worse_by(self) -> float:
        """As a share of the accepted ratio."""
        return abs(self.measured - self.accepted) / self.accepted


def ratios(cases: Iterable[Case], results: Results) -> dict[str, float]:
    """The median of every ratio that was measured, by "case: target".

    Figures with a unit are left out.
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
    """What became worse by more than ``tolerance``.

    What is measured for the first time, or was not measured now, is no regression.
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
    """The accepted ratios; none when there is no file."""
    if not path.exists():
        return {}
    found: dict[str, float] = json.loads(path.read_text(encoding="utf-8"))
    return found


def accept(path: Path, measured: Mapping[str, float]) -> None:
    """Take what was measured for the accepted ratios; those that were not measured stay."""
    path.write_text(
        json.dumps({**load(path), **measured}, indent=1, sort_keys=True, ensure_ascii=False) + "\n",
        encoding="utf-8",
    )


def _key(case: Case, text: str) -> str:
    return f"{case.name}: {text}"
