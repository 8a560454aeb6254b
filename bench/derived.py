"""Figures of a round that targets are made of."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from bench.contestants.ours import START

if TYPE_CHECKING:
    from bench.model import Round

LEVEL: Final = 2
"""The zstd level that storectl takes unless told otherwise."""

_LONG_S: Final = 3.0
"""From here on the start of a process is part of the work."""


def wall(one: Round, name: str) -> float:
    """Seconds of a contestant. Raises KeyError when it is missing, as all of these do."""
    return one[name].wall_s


def cpu(one: Round, name: str) -> float:
    """Processor seconds of a contestant."""
    return one[name].cpu_s


def net(one: Round, name: str) -> float:
    """Seconds of ours, the start of a process taken off where the work is short."""
    whole, work = wall(one, name), wall(one, name) - wall(one, START)
    return whole if work >= _LONG_S else max(work, 1e-6)


def beyond_start_s(name: str, one: Round) -> float:
    """Seconds of ours beyond the start of a process, however long they are."""
    return wall(one, name) - wall(one, START)


def times_faster(ours: str, theirs: str, one: Round) -> float:
    """How many times as long the other took."""
    return wall(one, theirs) / net(one, ours)
