"""When a scheduled job runs next."""

from __future__ import annotations

from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo

from mirror.jobs.schedule import Schedule

SINCE = datetime(2026, 3, 28, 12, 0, tzinfo=UTC)
HOUR = timedelta(hours=1)
BERLIN = ZoneInfo("Europe/Berlin")


def in_berlin(moment: datetime) -> datetime:
    return moment.replace(tzinfo=BERLIN) if moment.tzinfo is None else moment.astimezone(BERLIN)


def test_an_interval_counts_from_the_beginning_of_the_last_run() -> None:
    hourly = Schedule(HOUR)
    assert hourly.next_run(None, SINCE, SINCE + HOUR) == SINCE
    assert hourly.next_run(SINCE, SINCE, SINCE) == SINCE + HOUR
    # The last run of an earlier server counts.
    assert hourly.next_run(SINCE - 9 * HOUR, SINCE, SINCE) == SINCE - 8 * HOUR


def test_a_clock_that_was_set_back_postpones_nothing() -> None:
    for one in (Schedule(HOUR), Schedule(at=(time(3),))):
        assert one.next_run(SINCE + 24 * HOUR, SINCE, SINCE) == SINCE


def test_times_of_the_day_are_those_of_the_server() -> None:
    twice = Schedule(at=(time(3, 30), time(13)))
    # 12:00 UTC is 13:00 in winter: that time has come already.
    night = datetime(2026, 3, 29, 3, 30, tzinfo=BERLIN)
    assert twice.next_run(None, SINCE, SINCE, in_berlin) == night
    # Since that night, clocks are an hour ahead.
    assert night.astimezone(UTC) == datetime(2026, 3, 29, 1, 30, tzinfo=UTC)
    assert twice.next_run(night, SINCE, night, in_berlin) == night.replace(hour=13, minute=0)


def test_a_missed_run_is_due_at_once() -> None:
    nightly = Schedule(at=(time(3),))
    last = SINCE - timedelta(days=5)
    assert nightly.next_run(last, SINCE, SINCE, in_berlin) < SINCE
    assert nightly.next_run(None, SINCE, SINCE, in_berlin) > SINCE
