"""Hypothesis strategies for times in JSON as Go 1.19 reads them (docker-archive.md §2.1)."""

from __future__ import annotations

import calendar
from typing import TYPE_CHECKING, Final

from hypothesis import strategies as st

if TYPE_CHECKING:
    from hypothesis.strategies import DrawFn, SearchStrategy

NOTABLE: Final = (
    b"null",
    b'"0001-01-01T00:00:00Z"',
    b'"0000-01-01T00:00:00Z"',
    b'"0000-01-01T00:00:00+24:00"',
    b'"1969-12-31T23:59:59.999999999Z"',
    b'"1970-01-01T00:00:00Z"',
    b'"1970-01-01T00:00:00.000000001Z"',
    b'"1970-01-01T00:30:00+01:00"',
    b'"2016-12-31T23:59:59Z"',
    b'"2020-02-29T12:34:56.120Z"',
    b'"2038-01-19T03:14:08Z"',
    b'"2242-03-16T12:56:31Z"',
    b'"2242-03-16T12:56:31.999999999Z"',
    b'"2242-03-16T12:56:32Z"',  # 8^11 seconds exceed an octal field
    b'"2262-04-11T23:47:16.854775807Z"',
    b'"2262-04-11T23:47:16.854775808Z"',  # the nanoseconds since 1970 exceed an int64
    b'"9999-12-31T23:59:59.999999999Z"',
    b'"9999-12-31T23:59:59-23:59"',
)

BROKEN: Final = (
    b'""',
    b'"bogus"',
    b'"2020-02-30T00:00:00Z"',
    b'"2019-02-29T00:00:00Z"',
    b'"2020-00-10T00:00:00Z"',
    b'"2020-13-10T00:00:00Z"',
    b'"2020-04-31T00:00:00Z"',
    b'"2020-01-00T00:00:00Z"',
    b'"2020-1-01T00:00:00Z"',
    b'"2020-01-1T00:00:00Z"',
    b'"2020-01-01T24:00:00Z"',
    b'"2020-01-01T00:60:00Z"',
    b'"2020-01-01T00:00:60Z"',
    b'"2020-01-01T00:0:00Z"',
    b'"2020-01-01T00:00:0Z"',
    b'"2020-01-01T00:00Z"',
    b'"2020-01-01t00:00:00Z"',
    b'"2020-01-01 00:00:00Z"',
    b'"2020-01-01T00:00:00z"',
    b'"2020-01-01T00:00:00"',
    b'"2020-01-01T00:00:00.Z"',
    b'"2020-01-01T00:00:00,Z"',
    b'"2020-01-01T00:00:00.1.2Z"',
    b'"2020-01-01T00:00:00;5Z"',
    b'"2020-01-01T00:00:00+0100"',
    b'"2020-01-01T00:00:00+01"',
    b'"2020-01-01T00:00:00+1:00"',
    b'"2020-01-01T00:00:00Z+01:00"',
    b'"2020-01-01T00:00:00Z "',
    b'" 2020-01-01T00:00:00Z"',
    b'"2020-01-01T00:00:00 Z"',
    b'"2020\\u002d01-01T00:00:00Z"',  # Go does not decode escapes in times
    b'"2020-01-01T00:00:00\\u005a"',
    b'"20200-01-01T00:00:00Z"',
    b'"220-01-01T00:00:00Z"',
    b'"-020-01-01T00:00:00Z"',
    b'"+2020-01-01T00:00:00Z"',
    '"2020-01-01T00:00:00\u22125:00"'.encode(),
    '"\uff12\uff10\uff12\uff10-01-01T00:00:00Z"'.encode(),
    b"1577836800",
    b"true",
    b"{}",
    b"[]",
    b'"null"',
)

_ZONES: Final = (
    "Z",
    "+00:00",
    "-00:00",
    "+02:30",
    "-05:00",
    "+14:00",
    "-23:59",
    "+24:00",
    "+00:01",
    "+24:60",
    "-00:60",
)


@st.composite
def sound(draw: DrawFn) -> bytes:
    """Draw a time that Docker accepts."""
    year = draw(
        st.sampled_from((2020, 2015, 1969, 1970, 2242, 2262, 9999, 0, 1, 400))
        | st.integers(0, 9999)
    )
    month = draw(st.integers(1, 12))
    # Python's calendar begins with year 1; year 0 is a leap year like year 400.
    day = draw(st.integers(1, calendar.monthrange(year or 400, month)[1]))
    hour = draw(st.integers(0, 23).map("{:02}".format) | st.integers(0, 9).map(str))
    fraction = draw(
        st.just("")
        | st.builds(
            str.__add__, st.sampled_from(".,"), st.text("0123456789", min_size=1, max_size=12)
        )
    )
    zone = draw(st.sampled_from(_ZONES))
    minute, second = draw(st.integers(0, 59)), draw(st.integers(0, 59))
    return (
        f'"{year:04}-{month:02}-{day:02}T{hour}:{minute:02}:{second:02}{fraction}{zone}"'.encode()
    )


def times() -> SearchStrategy[bytes]:
    """Draw a time that Docker accepts, often a special one."""
    return st.sampled_from(NOTABLE) | sound()


def wild_offsets() -> SearchStrategy[bytes]:
    """Draw a time-zone offset that no clock has; versions of Go differ about such offsets."""
    return st.builds(
        lambda sign, hours, minutes: f'"2020-01-01T00:00:00{sign}{hours:02}:{minutes:02}"'.encode(),
        st.sampled_from("+-"),
        st.integers(0, 99),
        st.integers(0, 99),
    )


def broken() -> SearchStrategy[bytes]:
    """Draw a time that Docker refuses."""
    return st.sampled_from(BROKEN)
