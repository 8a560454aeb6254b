from __future__ import annotations

import asyncio

import pytest

from remote.http.rate import RateLimit
from remote.http.settings import Timing


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    async def sleep(self, seconds: float) -> None:
        self.now += seconds

    def timing(self) -> Timing:
        return Timing(monotonic=lambda: self.now, sleep=self.sleep)


def test_transfers_take_as_long_as_the_rate_demands() -> None:
    clock = Clock()
    limit = RateLimit(1000, clock.timing())

    async def transfer() -> None:
        for _ in range(10):
            await limit.spend(500)

    asyncio.run(transfer())
    assert clock.now - 100 == pytest.approx(5)


def test_an_idle_time_is_not_saved_up() -> None:
    clock = Clock()
    limit = RateLimit(1000, clock.timing())
    clock.now += 3600
    asyncio.run(limit.spend(2000))
    assert clock.now - 3700 == pytest.approx(1.75)


def test_without_a_rate_nothing_waits() -> None:
    clock = Clock()
    asyncio.run(RateLimit(None, clock.timing()).spend(10**12))
    assert clock.now == 100
