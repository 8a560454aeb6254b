from __future__ import annotations

from datetime import UTC, datetime, timedelta

from remote.through.memory import ABSENT_FOR, MAX_ABSENT, Absences


def test_an_absence_is_remembered_for_ten_seconds_at_most() -> None:
    now = [datetime(2026, 1, 2, tzinfo=UTC)]
    absences = Absences(lambda: now[0], timedelta(hours=1))
    assert not absences.holds("a")
    absences.add("a")
    now[0] += ABSENT_FOR - timedelta(microseconds=1)
    assert absences.holds("a")
    now[0] += timedelta(microseconds=1)
    assert not absences.holds("a")
    assert timedelta(seconds=10) == ABSENT_FOR


def test_only_the_newest_absences_are_remembered() -> None:
    absences = Absences(lambda: datetime(2026, 1, 2, tzinfo=UTC))
    for number in range(MAX_ABSENT + 1):
        absences.add(str(number))
    assert not absences.holds("0")
    assert absences.holds("1")
