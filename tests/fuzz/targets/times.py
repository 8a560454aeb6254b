"""Go's times: a time that is written and read back is the same instant as in datetime."""

from __future__ import annotations

import re
from datetime import datetime
from typing import Final

from store.formats.golang.times import GoTime

MAX_BYTES: Final = 80
SEEDS: Final = (
    b"2020-02-29T12:34:56.120Z",
    b"0001-01-01T00:00:00Z",
    b"2015-10-21T07:28:00+02:30",
    b"9999-12-31T23:59:59.999999999-23:59",
    b"0000-01-01T0:00:00,5+99:99",
    b"2020-01-01T00:00:00+-1:-1",
)
TOKENS: Final = (
    b"T",
    b"Z",
    b"+00:00",
    b"-00:01",
    b"2020-02-29",
    b"1900-02-29",
    b"23:59:60",
    b".999999999",
    b"0000",
    b"9999",
    b"+-1:+9",
)
_HOURS_THAT_ARE_READ: Final = 100 * 3600
_STRICT: Final = re.compile(
    rb"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(?:\.[0-9]{1,6})?(?:Z|[+-][0-9]{2}:[0-9]{2})"
)


def check(data: bytes) -> None:
    """Check that the result is a ValueError, or a time whose methods all work."""
    strict = _datetime(data) if _STRICT.fullmatch(data) else None
    try:
        time = GoTime.parse(data)
    except ValueError:
        assert strict is None
        return
    assert time == GoTime.parse(data)
    assert 0 <= time.mtime() < 2**63
    moment = time.utc()
    assert moment is None or (
        moment.microsecond == time.nanosecond // 1000
        and moment.replace(microsecond=0).timestamp() == time.unix_seconds
    )
    if strict is not None:
        assert strict.replace(microsecond=0).timestamp() == time.unix_seconds
    if abs(time.offset_s or 0) < _HOURS_THAT_ARE_READ:
        again = GoTime.parse(str(time).encode())
        assert str(again) == str(time)
        assert (again.unix_seconds, again.nanosecond, again.is_zero) == (
            time.unix_seconds,
            time.nanosecond,
            time.is_zero,
        )
        assert again == time or not time.offset_s


def _datetime(data: bytes) -> datetime | None:
    try:
        return datetime.fromisoformat(data.decode())
    except ValueError:
        return None
