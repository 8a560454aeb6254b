"""The model of the benchmark: cases, contestants, samples and targets.

A *case* is one piece of work on one input. Several *contestants* do this work one after another:
storectl, other programs, and limits. A *limit* is the lowest possible cost of a part of the work,
such as a copy or a hash. A *round* is one run of every contestant. Ratios are computed within a
round and summarised afterwards. So if the machine is slow for a while, it is slow for every
contestant of the round.
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
    """The cost of one run.

    Attributes:
        wall_s: Elapsed seconds.
        cpu_s: Processor seconds, including children and daemons.
        peak_bytes: The largest resident size (VmHWM) of any single process.
        temporary_bytes: The peak of the disk usage, minus ``disk_bytes``.
        disk_bytes: The disk usage of the store or the output after the run.
        extra: Further figures that only some contestants measure, by name.
    """

    wall_s: float
    cpu_s: float
    peak_bytes: int = 0
    temporary_bytes: int = 0
    disk_bytes: int = 0
    extra: Mapping[str, float] = field(default_factory=dict)


Round: TypeAlias = Mapping[str, Sample]
"""The samples of one round, by the names of the contestants."""


class Contestant(Protocol):
    """A program or a limit that does the work of a case, once per round."""

    @property
    def name(self) -> str:
        """The name in the results, unique within a case; a program has one name in all cases."""

    def prepare(self) -> None:
        """Prepare a run, untimed: create an empty store, read the input into the page cache.

        Raises:
            MissingError: A program or file is missing.
        """

    def run(self) -> Sample:
        """Do the work, and return its cost.

        Raises:
            CalledProcessError: The program failed, so there is no cost to return.
        """

    def clean(self) -> None:
        """Remove everything that the run left behind, untimed."""


@dataclass(frozen=True, slots=True)
class Target:
    """A requirement for the results of a case.

    Attributes:
        text: The requirement in words, such as "≥ 3x faster than docker load".
        figure: Returns the figure of one round; raises KeyError if a contestant is missing.
        limit: The limit for the median of all figures.
        at_least: Whether the median must be at least the limit; otherwise it must be at most the
            limit.
        unit: The unit of the figure (``s``, ``ms``, ``MiB``). Empty for a ratio, which the gate
            compares with the accepted ratio.
    """

    text: str
    figure: Callable[[Round], float]
    limit: float
    at_least: bool = False
    unit: str = ""

    def met_by(self, figure: float) -> bool:
        """Return whether ``figure`` keeps the limit."""
        return figure >= self.limit if self.at_least else figure <= self.limit


@dataclass(frozen=True, slots=True)
class Case:
    """One piece of work on one input.

    Attributes:
        name: The name in the results and in ``make bench ONLY=name``.
        title: A description in one line.
        contestants: Returns the contestants; called once, before the first round. The first
            contestant is storectl; the other contestants are compared with storectl.
        targets: The requirements for the results.
        input_bytes: Returns the size of the input, from which rates are computed; called after
            ``contestants``. None if the case has no rate.
        rounds: The number of rounds in a full run.
        quick: Whether a quick run includes the case.
    """

    name: str
    title: str
    contestants: Callable[[Workshop], Sequence[Contestant]]
    targets: tuple[Target, ...] = ()
    input_bytes: Callable[[Workshop], int] | None = None
    rounds: int = 5
    quick: bool = True
