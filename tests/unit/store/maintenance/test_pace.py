from __future__ import annotations

import pytest

from store.maintenance.pace import Pace, StoppedError
from tests.support.clocks import StillClock


def test_the_pace_sleeps_until_the_bytes_fit_the_rate() -> None:
    clock = StillClock()

    def sleep(seconds: float) -> None:
        assert seconds <= 0.2
        clock.now += seconds

    pace = Pace(100, clock=clock, sleep=sleep)
    for _ in range(10):
        pace.spend(50)
    assert pace.now_s == pytest.approx(1005, abs=0.01)
    # Idle time is caught up for a second at most.
    clock.now += 100
    pace.spend(100)
    assert pace.now_s == pytest.approx(1105, abs=0.01)
    pace.spend(100)
    assert pace.now_s == pytest.approx(1106, abs=0.01)


def test_without_a_rate_nothing_sleeps() -> None:
    pace = Pace(None, clock=StillClock(), sleep=lambda _: pytest.fail("slept"))
    pace.spend(10**12)


@pytest.mark.parametrize("rate", [None, 1000])
def test_a_stop_ends_the_job_at_its_next_step(rate: int | None) -> None:
    pace = Pace(rate, clock=StillClock(), sleep=lambda _: None, is_stopped=lambda: True)
    with pytest.raises(StoppedError):
        pace.spend(1)


def test_a_stop_ends_a_long_sleep() -> None:
    slept: list[float] = []
    pace = Pace(1, clock=StillClock(), sleep=slept.append, is_stopped=lambda: len(slept) > 1)
    with pytest.raises(StoppedError):
        pace.spend(10**9)
    assert len(slept) == 2
