"""Medians, spreads and ratios of samples."""

from __future__ import annotations

from dataclasses import dataclass
from statistics import median
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from bench.model import Round, Sample, Target


@dataclass(frozen=True, slots=True)
class Spread:
    """The median, the lowest and the highest of some figures, and the number of figures."""

    median: float
    low: float
    high: float
    count: int

    @classmethod
    def of(cls, figures: Iterable[float]) -> Spread:
        """Return the spread of ``figures``.

        Raises:
            ValueError: There are no figures.
        """
        found = sorted(figures)
        if not found:
            raise ValueError("no figures to summarise")
        return cls(median(found), found[0], found[-1], len(found))


def of_contestant(rounds: Sequence[Round], name: str, figure: Callable[[Sample], float]) -> Spread:
    """Return the spread of a contestant's figure over its rounds.

    Args:
        rounds: The rounds of a case.
        name: The contestant's name in the results.
        figure: Returns the figure of a sample.

    Raises:
        ValueError: The contestant took part in no round.
    """
    return Spread.of(figure(one[name]) for one in rounds if name in one)


def paired(rounds: Sequence[Round], ours: str, theirs: str) -> Spread:
    """Return the spread of the ratio of two contestants' times, computed within each round.

    Args:
        rounds: The rounds of a case.
        ours: The contestant by whose time the other time is divided.
        theirs: The contestant to compare.

    Raises:
        ValueError: No round has both contestants.
    """
    return Spread.of(
        one[theirs].wall_s / one[ours].wall_s for one in rounds if ours in one and theirs in one
    )


@dataclass(frozen=True, slots=True)
class Verdict:
    """A target and its measured figure.

    Attributes:
        target: The target of a case.
        spread: The figures of the rounds; None if no round has all contestants of the target.
    """

    target: Target
    spread: Spread | None

    @property
    def met(self) -> bool | None:
        """Whether the median keeps the limit; None if the target was not measured."""
        return None if self.spread is None else self.target.met_by(self.spread.median)


def judge(target: Target, rounds: Sequence[Round]) -> Verdict:
    """Compute a target's figure in every round that has the target's contestants.

    Args:
        target: The target of a case.
        rounds: The rounds of that case.
    """
    figures = []
    for one in rounds:
        try:
            figures.append(target.figure(one))
        except KeyError:
            continue
    return Verdict(target, Spread.of(figures) if figures else None)
