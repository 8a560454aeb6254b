"""Compute figures from the samples of one round; targets limit these figures."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from bench.contestants.ours import START

if TYPE_CHECKING:
    from bench.model import Round

LEVEL: Final = 2
"""The zstd level that storectl uses by default."""

_LONG_S: Final = 3.0
"""The start of the process is subtracted only from work that takes less than this, in seconds."""


def wall(one: Round, name: str) -> float:
    """Return a contestant's elapsed seconds.

    Raises:
        KeyError: The contestant did not take part in the round.
    """
    return one[name].wall_s


def cpu(one: Round, name: str) -> float:
    """Return a contestant's processor seconds.

    Raises:
        KeyError: The contestant did not take part in the round.
    """
    return one[name].cpu_s


def net(one: Round, name: str) -> float:
    """Return a contestant's elapsed seconds, minus the process start if the work is short.

    Work is short if it takes less than 3 s without the process start.
    """
    whole, work = wall(one, name), wall(one, name) - wall(one, START)
    return whole if work >= _LONG_S else max(work, 1e-6)


def beyond_start_s(name: str, one: Round) -> float:
    """Return a contestant's elapsed seconds without the start of a process."""
    return wall(one, name) - wall(one, START)


def times_faster(ours: str, theirs: str, one: Round) -> float:
    """Return how many times faster ``ours`` is than ``theirs``.

    The elapsed time of ``theirs`` is divided by `net` of ``ours``.
    """
    return wall(one, theirs) / net(one, ours)
