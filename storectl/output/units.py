"""Sizes and durations as Docker prints and parses them (docker/go-units: size.go, duration.go)."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Final

_UNITS: Final = ("B", "kB", "MB", "GB", "TB", "PB", "EB", "ZB", "YB")
_STEP: Final = 1000
_SIZE: Final = re.compile(
    r"(?P<number>[0-9]+(?:\.[0-9]+)?)\s*(?P<unit>[kKmMgGtTpP]?)(?P<binary>i?)[bB]?", re.ASCII
)
_GO_NUMBER: Final = r"[0-9]+(?:\.[0-9]*)?|\.[0-9]+"
_GO_UNIT: Final = "ns|us|µs|μs|ms|h|m|s"
_GO_DURATION: Final = re.compile(rf"[-+]?(?:(?:{_GO_NUMBER})(?:{_GO_UNIT}))+", re.ASCII)
_GO_PART: Final = re.compile(rf"({_GO_NUMBER})({_GO_UNIT})", re.ASCII)
_NANO: Final = Decimal("1e-9")
_MICRO: Final = Decimal("1e-6")
_PART_SECONDS: Final = {
    "h": Decimal(3600),
    "m": Decimal(60),
    "s": Decimal(1),
    "ms": Decimal("1e-3"),
    "us": _MICRO,
    "µs": _MICRO,
    "μs": _MICRO,
    "ns": _NANO,
}
_UNIX_TIME: Final = re.compile(r"[0-9]+(?:\.[0-9]+)?", re.ASCII)
_UNIX_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_ZONED_DATE: Final = re.compile(r"([0-9]{4}-[0-9]{2}-[0-9]{2})(Z|[-+][0-9]{2}:[0-9]{2})", re.ASCII)

_MINUTE: Final = 60
_HOUR: Final = 60
_DAY: Final = 24
_WEEK: Final = 7 * _DAY
_MONTH: Final = 30 * _DAY
_YEAR: Final = 365 * _DAY


def human_size(size_bytes: int, digits: int = 3) -> str:
    """Return a size such as ``1.23GB``, in powers of 1000.

    Args:
        size_bytes: The size in bytes.
        digits: Significant digits: 3 in docker's lists, 4 in its totals.
    """
    value, unit = float(size_bytes), 0
    # go-units chooses the unit before it rounds, and prints 999,999 bytes as "1e+03kB". Here the
    # unit is chosen by the rounded value.
    while float(f"{value:.{digits}g}") >= _STEP and unit < len(_UNITS) - 1:
        value /= _STEP
        unit += 1
    return f"{value:.{digits}g}{_UNITS[unit]}"


def parse_size(text: str) -> int:
    """Parse ``10GB`` (powers of 1000) or ``512MiB`` (powers of 1024) into bytes.

    Raises:
        ValueError: The text is not a size.
    """
    match = _SIZE.fullmatch(text.strip())
    if match is None or (match["binary"] and not match["unit"]):
        raise ValueError(
            f"invalid size {text!r}: expected bytes with a unit, such as 500MB or 10GiB"
        )
    step = 1024 if match["binary"] else _STEP
    return int(float(match["number"]) * step ** " KMGTP".index(match["unit"].upper() or " "))


def human_age(then: datetime | None, now: datetime) -> str:
    """Return how long ago ``then`` was, such as ``2 weeks ago``; ``N/A`` for None."""
    if then is None:
        return "N/A"
    seconds = int((now - then).total_seconds())
    return f"{human_duration(seconds)} ago" if seconds >= 0 else f"in {human_duration(-seconds)}"


def human_duration(seconds: int) -> str:
    """Return a duration such as ``About an hour``, like ``HumanDuration`` of go-units."""
    minutes, hours = seconds // _MINUTE, int(seconds / 3600 + 0.5)
    if minutes == 0:
        return (
            "Less than a second"
            if seconds < 1
            else "1 second"
            if seconds == 1
            else f"{seconds} seconds"
        )
    if minutes < _HOUR:
        return "About a minute" if minutes == 1 else f"{minutes} minutes"
    if hours == 1:
        return "About an hour"
    for limit, step, unit in (
        (2 * _DAY, 1, "hours"),
        (2 * _WEEK, _DAY, "days"),
        (2 * _MONTH, _WEEK, "weeks"),
        (2 * _YEAR, _MONTH, "months"),
    ):
        if hours < limit:
            return f"{hours // step} {unit}"
    return f"{seconds // 3600 // _YEAR} years"


def parse_moment(text: str, now: datetime) -> datetime:
    """Parse a point in time like ``docker events --since``.

    Args:
        text: An ISO 8601 date (local time if it has no zone), Unix seconds, or a Go duration
            (``1h30m``), which counts back from ``now``. Times are truncated to microseconds.
        now: The current time.

    Raises:
        ValueError: The text has none of these forms, or the time is out of range.
    """
    try:
        if _GO_DURATION.fullmatch(text):
            return now - _duration(text)
        if _UNIX_TIME.fullmatch(text):
            return _UNIX_EPOCH + _span(Decimal(text))
        # Unlike Python, Docker accepts a date with a zone and without an hour.
        return datetime.fromisoformat(_ZONED_DATE.sub(r"\1T00:00\2", text)).astimezone(UTC)
    except (ArithmeticError, ValueError, OSError):
        raise ValueError(
            f"invalid time {text!r}: expected an age, a date or Unix seconds, such as 10m,"
            " 2026-01-31T12:00:00Z or 1767225600.5"
        ) from None


def parse_age(text: str) -> timedelta:
    """Parse an age, such as ``720h`` or ``1h30m``: a Go duration that is not negative.

    Args:
        text: The age; it is truncated to microseconds.

    Raises:
        ValueError: The text is not an age, or the age is out of range.
    """
    try:
        if _GO_DURATION.fullmatch(text) and not text.startswith("-"):
            return _duration(text)
    except (ArithmeticError, ValueError):
        pass
    raise ValueError(f"invalid age {text!r}: expected a duration such as 720h or 1h30m")


def _duration(text: str) -> timedelta:
    length = sum(
        (Decimal(number) * _PART_SECONDS[unit] for number, unit in _GO_PART.findall(text)),
        Decimal(),
    )
    return _span(-length if text.startswith("-") else length)


def _span(seconds: Decimal) -> timedelta:
    return timedelta(microseconds=int(seconds * 1_000_000))
