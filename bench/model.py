"""What is measured and what is asked of it, as values; nothing here runs anything.

A *case* is one piece of work on one input. Several *contestants* do it in turn: storectl, other
programs, and limits, which are the least that the work can cost (a copy, a hash). One turn of all
of them is a *round*; figures that compare are made within a round and only then summarised, so that
a machine that is slower for a while is slower for all.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol, TypeAlias

if TYPE_CHECKING:
    from bench.workshop import Workshop

CORES = os.cpu_count() or 1


@dataclass(frozen=True, slots=True)
class Sample:
    """One run.

    ``wall_s`` and ``cpu_s`` are seconds, children and daemons counted; ``peak_bytes`` is the
    largest resident size (VmHWM) of any one process; ``temporary_bytes`` is the most that lay on
    disk at once beyond what stayed; ``disk_bytes`` is what stayed: the store, or the output.
    ``extra`` is what only this kind of work has to tell, by name.
    """

    wall_s: float
    cpu_s: float
    peak_bytes: int = 0
    temporary_bytes: int = 0
    disk_bytes: int = 0
    extra: Mapping[str, float] = field(default_factory=dict)


Round: TypeAlias = Mapping[str, Sample]
"""The samples of one turn, by the contestants' names."""


class Contestant(Protocol):
    """Does the work of a case, any number of times."""

    @property
    def name(self) -> str:
        """Unique in its case; the same program has the same name in every case."""

    def prepare(self) -> None:
        """Untimed: an empty store, the input in the page cache. Raises MissingError."""

    def run(self) -> Sample:
        """The work, timed.

        Raises CalledProcessError or any other exception when it fails: a benchmark of a failure is
        none.
        """

    def clean(self) -> None:
        """Untimed: leave nothing behind."""


@dataclass(frozen=True, slots=True)
class Target:
    """What is asked of a case.

    Args:
        text: The demand as people read it, such as "≥ 3x faster than docker load". figure: The
            figure of one round. KeyError says that a contestant is missing. limit: What the median
            of the figures has to keep. at_least: Whether the figure has to be at least the limit;
            else at most. unit: Empty for a ratio, which the regression gate then watches; else what
            the figure is measured in: ``s``, ``ms``, ``MiB``.
    """

    text: str
    figure: Callable[[Round], float]
    limit: float
    at_least: bool = False
    unit: str = ""

    def met_by(self, figure: float) -> bool:
        """Whether the figure keeps the limit."""
        return figure >= self.limit if self.at_least else figure <= self.limit


@dataclass(frozen=True, slots=True)
class Case:
    """One piece of work.

    Args:
        name: As ``make bench ONLY=name`` takes it, and as results are filed under. title: One line
            for people. contestants: Makes them; the first is ours, and others are compared with it.
            Called once, before the first round. targets: What is asked of it. input_bytes: The size
            of what is worked on, for rates; None where a rate means nothing. Called after
            ``contestants``. rounds: How many turns in a full run. quick: Whether a quick run has it
            too.
    """

    name: str
    title: str
    contestants: Callable[[Workshop], Sequence[Contestant]]
    targets: tuple[Target, ...] = ()
    input_bytes: Callable[[Workshop], int] | None = None
    rounds: int = 5
    quick: bool = True
