"""Format figures as text, for the terminal and the report."""

from __future__ import annotations

import statistics
from typing import TYPE_CHECKING

from bench.reporting.figures import of_contestant, paired

if TYPE_CHECKING:
    from bench.reporting.figures import Verdict
    from bench.reporting.results import CaseResult


def duration(seconds: float) -> str:
    """Return a duration with three digits: ``1.23 s``, ``45.6 ms``."""
    return f"{seconds:.2f} s" if seconds >= 1 else f"{seconds * 1e3:.3g} ms"


def size(number: float) -> str:
    """Return a number of bytes with three digits and a unit, or an empty text for 0."""
    if not number:
        return ""
    for unit, factor in (("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if number >= factor:
            return f"{number / factor:.3g} {unit}"
    return f"{number:.0f} B"


def rate(size_bytes: int, seconds: float) -> str:
    """Return the rate in MB/s, or an empty text if the size or the time is 0."""
    return f"{size_bytes / seconds / 1e6:.0f} MB/s" if size_bytes and seconds else ""


def figure(number: float, unit: str) -> str:
    """Return a target's figure with its unit, or a ratio as a plain number."""
    return f"{number:.3g} {unit}".strip()


def verdict(found: Verdict) -> str:
    """Return ``met``, ``missed``, or an empty text if the target was not measured."""
    return "" if found.met is None else "met" if found.met else "missed"


def contestant_row(result: CaseResult, name: str) -> tuple[str, ...]:
    """Return the cells of a contestant's row.

    The cells are wall time, its spread, CPU, rate, memory, temporary disk, disk, and the ratio of
    the contestant's time to storectl's time.

    Args:
        result: The results of the case.
        name: The contestant's name in the results.

    Raises:
        ValueError: The contestant never ran.
    """
    rounds = result.rounds
    wall = of_contestant(rounds, name, lambda sample: sample.wall_s)
    cpu = of_contestant(rounds, name, lambda sample: sample.cpu_s)
    # Some cases measure only sizes.
    untimed = not wall.high
    return (
        *(
            ("", "", "")
            if untimed
            else (
                duration(wall.median),
                f"{duration(wall.low)} to {duration(wall.high)}",
                duration(cpu.median),
            )
        ),
        rate(result.input_bytes, wall.median),
        size(of_contestant(rounds, name, lambda sample: sample.peak_bytes).high),
        size(of_contestant(rounds, name, lambda sample: sample.temporary_bytes).high),
        size(of_contestant(rounds, name, lambda sample: sample.disk_bytes).median),
        "" if untimed else f"{paired(rounds, result.ours, name).median:.2f}",
    )


def request_counts(result: CaseResult) -> dict[str, str]:
    """Return the median of the requests of each contestant whose requests were counted.

    Args:
        result: The results of the case.
    """
    found: dict[str, str] = {}
    for name in result.contestants:
        counts = [
            one[name].extra["requests"]
            for one in result.rounds
            if name in one and "requests" in one[name].extra
        ]
        if counts:
            found[name] = f"{statistics.median(counts):.0f}"
    return found
