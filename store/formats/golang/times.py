"""Points in time, read from and written to JSON like Go's ``time.Time``.

Source: docker-archive.md §2.1, §2.2 and §4; Go 1.19, package time.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final, Self, final

# The layout is RFC 3339, read as leniently as in Go 1.19. An hour may have one digit. The fraction
# may follow a comma and have any length. Each half of the offset is a number of two characters,
# which may include a sign ("+99:99" and "+-1:00" are offsets).
_RFC3339: Final = re.compile(
    rb"(\d{4})-(\d\d)-(\d\d)T(\d\d?):(\d\d):(\d\d)(?:[.,](\d+))?(?:Z|([+-])(\d\d|[+-]\d):(\d\d|[+-]\d))"
)

_DAYS_IN_MONTH: Final = (31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)
_MONTH_OF_LEAP_DAY: Final = 2
_DAYS_TO_UNIX_EPOCH: Final = 719_468  # from 0000-03-01, where `_days` starts to count
_DAY_SECONDS: Final = 86_400
_NANOSECOND_DIGITS: Final = 9
_LAST_MTIME_NS: Final = 2**63 - 1  # 2262-04-11T23:47:16.854775807Z


@final
@dataclass(frozen=True, slots=True)
class GoTime:
    """A wall clock reading with its zone. The default is Go's zero time, which means "not set".

    ``offset_s`` is the zone's offset from UTC in seconds, or None if the text has ``Z``. Two times
    are equal if Go's ``reflect.DeepEqual`` finds the parsed times equal, because Docker compares
    histories with that function. So the same instant in two zones gives different times, and ``Z``
    differs from ``+00:00``.
    """

    year: int = 1
    month: int = 1
    day: int = 1
    hour: int = 0
    minute: int = 0
    second: int = 0
    nanosecond: int = 0
    offset_s: int | None = None

    @classmethod
    def parse(cls, text: bytes) -> Self:
        """Read the bytes between the quotes of a JSON string.

        As in Go, escapes in the string are not resolved.

        Raises:
            ValueError: The text is not a time. The message says why.
        """
        match = _RFC3339.fullmatch(text)
        if match is None:
            raise ValueError("the text does not have the form 2006-01-02T15:04:05Z07:00")
        year, month, day, hour, minute, second = (int(part) for part in match.groups()[:6])
        for unit, value, low, high in (
            ("month", month, 1, 12),
            ("hour", hour, 0, 23),
            ("minute", minute, 0, 59),
            ("second", second, 0, 59),
        ):
            if not low <= value <= high:
                raise ValueError(f"the {unit} is out of range")
        if not 1 <= day <= _days_in(year, month):
            raise ValueError("the day is out of range")
        fraction = (match[7] or b"")[:_NANOSECOND_DIGITS].ljust(_NANOSECOND_DIGITS, b"0")
        offset_s = None
        if match[8] is not None:
            offset_s = (int(match[9]) * 60 + int(match[10])) * 60
            if match[8] == b"-":
                offset_s = -offset_s
        return cls(year, month, day, hour, minute, second, int(fraction), offset_s)

    @property
    def is_zero(self) -> bool:
        """Whether this is Go's zero time: 0001-01-01T00:00:00 UTC."""
        return self.nanosecond == 0 and self.unix_seconds == _ZERO_UNIX_SECONDS

    @property
    def unix_seconds(self) -> int:
        """Whole seconds since 1970-01-01T00:00:00Z, rounded down."""
        days = _days(self.year, self.month, self.day) - _DAYS_TO_UNIX_EPOCH
        return (
            days * _DAY_SECONDS
            + self.hour * 3600
            + self.minute * 60
            + self.second
            - (self.offset_s or 0)
        )

    def mtime(self) -> int:
        """Return the modification time that Docker sets on files of an image created at this time.

        Returns:
            Unix seconds; 0 for a time that a file cannot have (docker-archive.md §4).
        """
        seconds = self.unix_seconds
        return seconds if 0 <= seconds * 10**9 + self.nanosecond <= _LAST_MTIME_NS else 0

    def utc(self) -> datetime | None:
        """Return the instant in UTC, truncated to microseconds.

        Returns:
            The instant; None for the zero time and for instants that ``datetime`` cannot hold.
        """
        if self.is_zero:
            return None
        try:
            return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(
                seconds=self.unix_seconds, microseconds=self.nanosecond // 1000
            )
        except OverflowError:
            return None

    def __str__(self) -> str:
        """Return RFC 3339 as Go writes it: no trailing zeros, ``Z`` for every zero offset."""
        text = (
            f"{self.year:04}-{self.month:02}-{self.day:02}"
            f"T{self.hour:02}:{self.minute:02}:{self.second:02}"
        )
        if self.nanosecond:
            text += f".{self.nanosecond:09}".rstrip("0")
        if not self.offset_s:
            return text + "Z"
        hours, minutes = divmod(abs(self.offset_s) // 60, 60)
        return f"{text}{'-' if self.offset_s < 0 else '+'}{hours:02}:{minutes:02}"


def _is_leap(year: int) -> bool:
    return year % 4 == 0 and (year % 100 != 0 or year % 400 == 0)


def _days_in(year: int, month: int) -> int:
    return 29 if month == _MONTH_OF_LEAP_DAY and _is_leap(year) else _DAYS_IN_MONTH[month - 1]


def _days(year: int, month: int, day: int) -> int:
    """Return the days since 0000-03-01 in the proleptic Gregorian calendar.

    Go's calendar has a year 0, but `datetime` does not support it.
    """
    year, month = (year, month - 3) if month > _MONTH_OF_LEAP_DAY else (year - 1, month + 9)
    return year * 365 + year // 4 - year // 100 + year // 400 + (month * 153 + 2) // 5 + day - 1


ZERO_TIME: Final = GoTime()
"""Go's zero time, the value of an absent or null time."""

EPOCH: Final = GoTime(year=1970)
"""1970-01-01T00:00:00Z: in a legacy archive, the creation time of every layer below the top."""

_ZERO_UNIX_SECONDS: Final = ZERO_TIME.unix_seconds
