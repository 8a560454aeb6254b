"""Medians, spreads and ratios; pure."""

from __future__ import annotations

from dataclasses import dataclass
from statistics import median
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from bench.model import Round, Sample, Target


@dataclass(frozen=True, slots=True)
class Spread:
    """The median of some figures, and the least and the most of them."""

    median: float
    low: float
    high: float
    count: int

    @classmethod
    def of(cls, figures: Iterable[float]) -> Spread:
        """Raises ValueError when there are none."""
        found = sorted(figures)
        if not found:
            raise ValueError("no figures to summarise")
        return cls(median(found), found[0], found[-1], len(found))


def of_contestant(rounds: Sequence[Round], name: str, figure: Callable[[Sample], float]) -> Spread:
    """A figure of one contestant over the rounds that it took part in.

    Raises ValueError when there are none.
    """
    return Spread.of(figure(one[name]) for one in rounds if name in one)


def paired(rounds: Sequence[Round], ours: str, theirs: str) -> Spread:
    """How many times as long as ``ours`` the other took, pair by pair.

    Raises ValueError when they never ran in one round.
    """
    return Spread.of(
        one[theirs].wall_s / one[ours].wall_s for one in rounds if ours in one and theirs in one
    )


@dataclass(frozen=True, slots=True)
class Verdict:
    """A target beside what was measured.

    ``spread`` is None where a contestant that it needs was missing.
    """

    target: Target
    spread: Spread | None

    @property
    def met(self) -> bool | None:
        """Whether the median keeps the limit; None when nothing was measured."""
        return None if self.spread is None else self.target.met_by(self.spread.median)


def judge(target: Target, rounds: Sequence[Round]) -> Verdict:
    """The target's figure in every round that has what it needs."""
    figures = []
    for one in rounds:
        try:
            figures.append(target.figure(one))
        except KeyError:
            continue
    return Verdict(target, Spread.of(figures) if figures else None)
