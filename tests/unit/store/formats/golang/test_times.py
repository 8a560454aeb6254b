"""Points in time that Go reads from JSON, stores and writes as JSON."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from store.formats.golang.times import EPOCH, ZERO_TIME, GoTime


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ("2020-02-29T12:34:56Z", "2020-02-29T12:34:56Z"),
        ("2020-02-29T12:34:56.120Z", "2020-02-29T12:34:56.12Z"),
        ("2020-02-29T12:34:56.000Z", "2020-02-29T12:34:56Z"),
        ("2020-02-29T12:34:56,5Z", "2020-02-29T12:34:56.5Z"),
        ("2020-02-29T12:34:56.1234567899999Z", "2020-02-29T12:34:56.123456789Z"),
        ("2020-02-29T12:34:56.0000000001Z", "2020-02-29T12:34:56Z"),
        ("2020-02-29T5:34:56Z", "2020-02-29T05:34:56Z"),
        ("2020-02-29T12:34:56+00:00", "2020-02-29T12:34:56Z"),
        ("2020-02-29T12:34:56-00:00", "2020-02-29T12:34:56Z"),
        ("2020-02-29T12:34:56+02:30", "2020-02-29T12:34:56+02:30"),
        ("2020-02-29T12:34:56.5-11:15", "2020-02-29T12:34:56.5-11:15"),
        ("2020-02-29T12:34:56+24:00", "2020-02-29T12:34:56+24:00"),
        ("2020-02-29T12:34:56+99:99", "2020-02-29T12:34:56+100:39"),
        ("2020-02-29T12:34:56+-1:00", "2020-02-29T12:34:56-01:00"),
        ("2020-02-29T12:34:56--1:+5", "2020-02-29T12:34:56+00:55"),
        ("0000-02-29T00:00:00Z", "0000-02-29T00:00:00Z"),
        ("9999-12-31T23:59:59.999999999Z", "9999-12-31T23:59:59.999999999Z"),
    ],
)
def test_times_are_read_and_written_as_go_does(text: str, written: str) -> None:
    assert str(GoTime.parse(text.encode())) == written


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "does not have the form"),
        ("bogus", "does not have the form"),
        ("2020-02-29", "does not have the form"),
        ("2020-02-29t12:34:56Z", "does not have the form"),
        ("2020-02-29T12:34:56z", "does not have the form"),
        ("2020-02-29T12:34:56", "does not have the form"),
        ("2020-02-29T12:34:56.Z", "does not have the form"),
        ("2020-02-29T12:34:56Z ", "does not have the form"),
        ("2020-02-29T12:34:56Z\n", "does not have the form"),
        ("2020-2-29T12:34:56Z", "does not have the form"),
        ("2020-02-29T12:4:56Z", "does not have the form"),
        ("2020-02-29T012:34:56Z", "does not have the form"),
        ("2020-02-29T12:34:56+0100", "does not have the form"),
        ("2020-02-29T12:34:56+1:00", "does not have the form"),
        ("2020-02-29\\u005412:34:56Z", "does not have the form"),
        ("\u0662020-02-29T12:34:56Z", "does not have the form"),
        ("2020-00-29T12:34:56Z", "month is out of range"),
        ("2020-13-29T12:34:56Z", "month is out of range"),
        ("2020-02-29T24:34:56Z", "hour is out of range"),
        ("2020-02-29T12:60:56Z", "minute is out of range"),
        ("2020-02-29T12:34:60Z", "second is out of range"),
        ("2020-02-30T12:34:56Z", "day is out of range"),
        ("2019-02-29T12:34:56Z", "day is out of range"),
        ("1900-02-29T12:34:56Z", "day is out of range"),
        ("2020-04-31T12:34:56Z", "day is out of range"),
        ("2020-02-00T12:34:56Z", "day is out of range"),
    ],
)
def test_times_that_go_refuses_are_refused(text: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        GoTime.parse(text.encode())


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("1970-01-01T00:00:00Z", 0),
        ("1970-01-01T00:00:00.999Z", 0),
        ("1969-12-31T23:59:59.5Z", -1),
        ("1970-01-01T05:30:00+05:30", 0),
        ("2020-02-29T12:34:56Z", 1582979696),
        ("0001-01-01T00:00:00Z", -62135596800),
        ("0000-01-01T00:00:00Z", -62167219200),
        ("9999-12-31T23:59:59Z", 253402300799),
    ],
)
def test_unix_seconds_are_rounded_down(text: str, seconds: int) -> None:
    assert GoTime.parse(text.encode()).unix_seconds == seconds


@pytest.mark.parametrize(
    ("text", "mtime"),
    [
        ("2015-10-21T07:28:00.9+02:30", 1445403480),
        ("1970-01-01T00:00:00Z", 0),
        ("1969-12-31T23:59:59.999999999Z", 0),
        ("1960-01-01T00:00:00Z", 0),
        ("0001-01-01T00:00:00Z", 0),
        ("2250-01-01T00:00:00Z", 8835955200),
        ("2262-04-11T23:47:16.854775807Z", 9223372036),
        ("2262-04-11T23:47:16.854775808Z", 0),
        ("9999-12-31T23:59:59Z", 0),
    ],
)
def test_a_time_that_a_file_cannot_have_becomes_the_epoch(text: str, mtime: int) -> None:
    assert GoTime.parse(text.encode()).mtime() == mtime


def test_the_zero_time_is_the_default_and_is_recognised_in_every_zone() -> None:
    assert GoTime() == ZERO_TIME == GoTime.parse(b"0001-01-01T00:00:00Z")
    assert ZERO_TIME.is_zero
    assert GoTime.parse(b"0001-01-01T01:00:00+01:00").is_zero
    assert not GoTime.parse(b"0001-01-01T00:00:00.000000001Z").is_zero
    assert not EPOCH.is_zero
    assert str(EPOCH) == "1970-01-01T00:00:00Z"


def test_times_are_equal_when_gos_parsed_times_are_deeply_equal() -> None:
    zulu = GoTime.parse(b"2020-01-01T00:00:00Z")
    assert zulu == GoTime.parse(b"2020-01-01T00:00:00.000Z")
    assert zulu != GoTime.parse(b"2020-01-01T00:00:00+00:00")
    assert zulu != GoTime.parse(b"2020-01-01T01:00:00+01:00")
    assert GoTime.parse(b"2020-01-01T00:00:00+00:00") == GoTime.parse(b"2020-01-01T00:00:00-00:00")
    assert GoTime.parse(b"2020-01-01T00:00:00+01:60") == GoTime.parse(b"2020-01-01T00:00:00+02:00")


def test_utc_is_the_same_instant_cut_to_microseconds() -> None:
    assert GoTime.parse(b"2020-01-01T01:00:00.123456789+01:00").utc() == datetime(
        2020, 1, 1, 0, 0, 0, 123456, tzinfo=UTC
    )
    assert GoTime.parse(b"1969-12-31T23:59:59.5Z").utc() == datetime(
        1969, 12, 31, 23, 59, 59, 500000, tzinfo=UTC
    )


@pytest.mark.parametrize(
    "text", ["0001-01-01T00:00:00Z", "0000-06-01T00:00:00Z", "9999-12-31T23:59:59-01:00"]
)
def test_utc_is_none_for_the_zero_time_and_for_times_beyond_datetime(text: str) -> None:
    assert GoTime.parse(text.encode()).utc() is None
