"""Sizes and ages as Docker prints them (docker/go-units)."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from datetime import datetime

_UNITS: Final = ("B", "kB", "MB", "GB", "TB", "PB")
_SIZE: Final = re.compile(r"(?P<number>[0-9]+(?:\.[0-9]+)?)\s*(?P<unit>[kKmMgGtT]?)(?P<binary>i?)[bB]?")
_MINUTE: Final = 60
_HOUR: Final = 60 * _MINUTE
_DAY: Final = 24 * _HOUR
_WEEK: Final = 7 * _DAY
_MONTH: Final = 30 * _DAY
_YEAR: Final = 365 * _DAY


def human_size(size_bytes: int) -> str:
    """``1.23GB``: powers of 1000, three significant digits."""
    value, unit = float(size_bytes), 0
    while value >= 1000 and unit < len(_UNITS) - 1:  # noqa: PLR2004 - SI prefixes
        value /= 1000
        unit += 1
    return f"{value:.3g}{_UNITS[unit]}"


def parse_size(text: str) -> int:
    """``10GB`` or ``512MiB`` in bytes. Raises ValueError."""
    match = _SIZE.fullmatch(text.strip())
    if match is None:
        raise ValueError(f"{text!r} is no size; examples: 500MB, 10GiB")
    step = 1024 if match["binary"] else 1000
    return int(float(match["number"]) * step ** " KMGT".index(match["unit"].upper() or " "))


def human_age(then: datetime | None, now: datetime) -> str:
    """``2 weeks ago``, ``N/A`` when unknown."""
    if then is None:
        return "N/A"
    seconds = int((now - then).total_seconds())
    return f"{_duration(seconds)} ago" if seconds >= 0 else f"in {_duration(-seconds)}"


def _duration(seconds: int) -> str:  # noqa: C901, PLR0911 - a table of thresholds
    if seconds < 1:
        return "Less than a second"
    if seconds == 1:
        return "1 second"
    if seconds < _MINUTE:
        return f"{seconds} seconds"
    if seconds < 2 * _MINUTE:
        return "About a minute"
    if seconds < _HOUR:
        return f"{seconds // _MINUTE} minutes"
    if seconds < _HOUR + _HOUR // 2:
        return "About an hour"
    if seconds < 2 * _DAY:
        return f"{round(seconds / _HOUR)} hours"
    if seconds < 2 * _WEEK:
        return f"{seconds // _DAY} days"
    if seconds < 2 * _MONTH:
        return f"{seconds // _WEEK} weeks"
    if seconds < 2 * _YEAR:
        return f"{seconds // _MONTH} months"
    return f"{seconds // _YEAR} years"
