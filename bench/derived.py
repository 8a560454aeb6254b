"""Figures of a round that targets are computed from."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from bench.contestants.ours import START

if TYPE_CHECKING:
    from bench.model import Round

LEVEL: Final = 2
"""The zstd level that storectl uses by default."""

_LONG_S: Final = 3.0
"""If the work takes this long, the start of the process is counted as part of it."""


def wall(one: Round, name: str) -> float:
    """Return a contestant's elapsed seconds. Raises KeyError if the contestant is missing."""
    return one[name].wall_s


def cpu(one: Round, name: str) -> float:
    """Return a contestant's processor seconds. Raises KeyError if the contestant is missing."""
    return one[name].cpu_s


def net(one: Round, name: str) -> float:
    """Return elapsed seconds, less the start of a process if the work takes less than 3 s."""
    whole, work = wall(one, name), wall(one, name) - wall(one, START)
    return whole if work >= _LONG_S else max(work, 1e-6)


def beyond_start_s(name: str, one: Round) -> float:
    """Return elapsed seconds less the start of a process."""
    return wall(one, name) - wall(one, START)


def times_faster(ours: str, theirs: str, one: Round) -> float:
    """Return how many times as long as ``ours`` the contestant ``theirs`` took."""
    return wall(one, theirs) / net(one, ours)
