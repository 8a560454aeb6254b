"""Sizes and spans of time as Docker prints and reads them (docker/go-units: size.go, duration.go)."""

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
    """``1.23GB``: powers of 1000 and so many significant digits (3 in docker's lists, 4 in its sums)."""
    value, unit = float(size_bytes), 0
    # go-units rounds after it has chosen the unit and prints 999,999 bytes as "1e+03kB"; we carry
    # over.
    while float(f"{value:.{digits}g}") >= _STEP and unit < len(_UNITS) - 1:
        value /= _STEP
        unit += 1
    return f"{value:.{digits}g}{_UNITS[unit]}"


def parse_size(text: str) -> int:
    """``10GB`` (powers of 1000) or ``512MiB`` (powers of 1024) in bytes. Raises ValueError."""
    match = _SIZE.fullmatch(text.strip())
    if match is None or (match["binary"] and not match["unit"]):
        raise ValueError(f"{text!r} is no size; examples: 500MB, 10GiB")
    step = 1024 if match["binary"] else _STEP
    return int(float(match["number"]) * step ** " KMGTP".index(match["unit"].upper() or " "))


def human_age(then: datetime | None, now: datetime) -> str:
    """``2 weeks ago``; ``N/A`` when unknown."""
    if then is None:
        return "N/A"
    seconds = int((now - then).total_seconds())
    return f"{human_duration(seconds)} ago" if seconds >= 0 else f"in {human_duration(-seconds)}"


def human_duration(seconds: int) -> str:
    """``About an hour``, as ``HumanDuration`` of go-units."""
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
    """A point in time as ``docker events --since`` takes it.

    A date, Unix seconds, or a Go duration before ``now`` (``1h30m``). Raises ValueError.

    A date without a zone is in the local one. What is finer than a microsecond is cut off.
    """
    try:
        if _GO_DURATION.fullmatch(text):
            before = sum(
                (Decimal(number) * _PART_SECONDS[unit] for number, unit in _GO_PART.findall(text)),
                Decimal(),
            )
            return now - _span(-before if text.startswith("-") else before)
        if _UNIX_TIME.fullmatch(text):
            return _UNIX_EPOCH + _span(Decimal(text))
        # Docker knows a date with a zone and no hour, Python does not.
        return datetime.fromisoformat(_ZONED_DATE.sub(r"\1T00:00\2", text)).astimezone(UTC)
    except (ArithmeticError, ValueError, OSError):
        raise ValueError(
            f"{text!r} is no time; examples: 10m, 2026-01-31T12:00:00Z, 1767225600.5"
        ) from None


def _span(seconds: Decimal) -> timedelta:
    return timedelta(microseconds=int(seconds * 1_000_000))
