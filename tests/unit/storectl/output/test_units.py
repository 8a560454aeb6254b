"""Sizes, durations and times, formatted as Docker formats them.

The expected values were printed by go-units and docker.
"""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta

import pytest

from storectl.output.units import human_age, human_duration, human_size, parse_moment, parse_size

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
MINUTE, HOUR, DAY = 60, 3600, 86400


@pytest.mark.parametrize(
    ("size", "shown"),
    [
        (0, "0B"),
        (999, "999B"),
        (1000, "1kB"),
        (1024, "1.02kB"),
        (4096, "4.1kB"),
        (1_234_567, "1.23MB"),
        (124_000_000, "124MB"),
        (10**9, "1GB"),
        (3 * 10**15, "3PB"),
        (10**18, "1EB"),
        (10**27, "1e+03YB"),
    ],
)
def test_sizes_have_three_digits(size: int, shown: str) -> None:
    assert human_size(size) == shown


def test_totals_have_four_digits() -> None:
    assert human_size(1_234_567, 4) == "1.235MB"
    assert human_size(999_949, 4) == "999.9kB"


def test_a_size_that_rounds_to_a_thousand_takes_the_next_unit() -> None:
    assert human_size(999_499) == "999kB"
    assert human_size(999_500) == "1MB"
    assert human_size(999_950, 4) == "1MB"


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("7", 7),
        ("0", 0),
        ("10B", 10),
        ("1.5kB", 1500),
        ("1K", 1000),
        ("2MiB", 2 * 1024**2),
        ("2 mib", 2 * 1024**2),
        ("3Gi", 3 * 1024**3),
        ("1tb", 10**12),
        ("1PB", 10**15),
    ],
)
def test_sizes_are_parsed_in_decimal_and_binary_units(text: str, size: int) -> None:
    assert parse_size(text) == size


@pytest.mark.parametrize(
    "text", ["", "MB", "much", "-1", "1e9", "1 000", "5iB", "٣MB", "1.GB", "nan"]
)
def test_invalid_sizes_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match="invalid size"):
        parse_size(text)


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [
        (0, "Less than a second"),
        (1, "1 second"),
        (59, "59 seconds"),
        (MINUTE, "About a minute"),
        (2 * MINUTE - 1, "About a minute"),
        (2 * MINUTE, "2 minutes"),
        (59 * MINUTE + 59, "59 minutes"),
        (HOUR, "About an hour"),
        (HOUR + 30 * MINUTE - 1, "About an hour"),
        (HOUR + 30 * MINUTE, "2 hours"),
        (47 * HOUR, "47 hours"),
        (2 * DAY, "2 days"),
        (13 * DAY, "13 days"),
        (14 * DAY, "2 weeks"),
        (59 * DAY, "8 weeks"),
        (60 * DAY, "2 months"),
        (729 * DAY, "24 months"),
        (730 * DAY, "2 years"),
        (5000 * DAY, "13 years"),
    ],
)
def test_durations_are_those_of_go_units(seconds: int, shown: str) -> None:
    assert human_duration(seconds) == shown


def test_ages_are_in_the_past_or_the_future() -> None:
    assert human_age(None, NOW) == "N/A"
    assert human_age(NOW - timedelta(days=3), NOW) == "3 days ago"
    assert human_age(NOW, NOW) == "Less than a second ago"
    assert human_age(NOW + timedelta(minutes=10), NOW) == "in 10 minutes"


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("10m", NOW - timedelta(minutes=10)),
        ("1h30m", NOW - timedelta(minutes=90)),
        ("1.5h", NOW - timedelta(minutes=90)),
        ("24h0m3s", NOW - timedelta(hours=24, seconds=3)),
        ("-5m", NOW + timedelta(minutes=5)),
        (".5h", NOW - timedelta(minutes=30)),
        ("3us2000ns", NOW - timedelta(microseconds=5)),
        ("2026-01-01Z", datetime(2026, 1, 1, tzinfo=UTC)),
        ("2026-01-01+02:00", datetime(2025, 12, 31, 22, tzinfo=UTC)),
        ("2026-01-01T12:00:00.123456789Z", datetime(2026, 1, 1, 12, 0, 0, 123456, tzinfo=UTC)),
        ("1767225600.123456789", datetime(2026, 1, 1, 0, 0, 0, 123456, tzinfo=UTC)),
        ("250ms", NOW - timedelta(milliseconds=250)),
        ("1767225600", datetime(2026, 1, 1, tzinfo=UTC)),
        ("1767225600.5", datetime(2026, 1, 1, 0, 0, 0, 500_000, tzinfo=UTC)),
        ("2026-01-01T12:00:00Z", datetime(2026, 1, 1, 12, tzinfo=UTC)),
        ("2026-01-01T12:00:00+02:00", datetime(2026, 1, 1, 10, tzinfo=UTC)),
    ],
)
def test_times_are_dates_unix_seconds_or_ages(text: str, moment: datetime) -> None:
    assert parse_moment(text, NOW) == moment


def test_a_date_without_a_zone_is_local(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TZ", "XYZ-3")
    time.tzset()
    try:
        assert parse_moment("2026-01-01T12:00:00", NOW) == datetime(2026, 1, 1, 9, tzinfo=UTC)
        assert parse_moment("2026-01-01", NOW) == datetime(2025, 12, 31, 21, tzinfo=UTC)
    finally:
        monkeypatch.undo()
        time.tzset()


@pytest.mark.parametrize(
    "text", ["", "yesterday", "1d", "9" * 40, "9" * 12 + "h", "2026-13-01", "1h2", "h", ".h"]
)
def test_invalid_times_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match="invalid time"):
        parse_moment(text, NOW)
