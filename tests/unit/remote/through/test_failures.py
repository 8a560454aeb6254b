"""Failures of upstream registries, remembered with a clock that the test moves."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta

import pytest

from remote.errors import (
    ManifestNotFound,
    Offline,
    RateLimited,
    RegistryError,
    RegistryFailed,
    RegistryUnavailable,
    Unreachable,
)
from remote.through.failures import FIRST_PAUSE, LONGEST_ASKED_PAUSE, LONGEST_PAUSE, Failures

HOST, OTHER = "registry.example", "other.example"


class Clock:
    def __init__(self) -> None:
        self.now = datetime(2026, 1, 2, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def failures(clock: Clock) -> Failures:
    return Failures(clock)


def fail(failures: Failures, error: RegistryError | None = None) -> None:
    error = error or Unreachable("cannot connect", registry=HOST)
    with pytest.raises(type(error)), failures.request(HOST):
        raise error


def test_a_registry_that_has_failed_is_not_asked_for_a_while(
    failures: Failures, clock: Clock
) -> None:
    fail(failures)
    with pytest.raises(Unreachable) as caught, failures.request(HOST):
        pytest.fail("the request was sent")
    assert caught.value.retry_after_s == FIRST_PAUSE.total_seconds()
    assert "cannot connect" in caught.value.message
    with failures.request(OTHER):
        pass
    clock.now += FIRST_PAUSE
    with failures.request(HOST):
        pass
    assert not failures.has_failed(HOST)


def test_each_failure_after_a_pause_doubles_the_pause(failures: Failures, clock: Clock) -> None:
    pause = FIRST_PAUSE
    for _ in range(9):
        fail(failures)
        clock.now += pause - timedelta(seconds=1)
        with pytest.raises(RegistryUnavailable):
            failures.check(HOST)
        clock.now += timedelta(seconds=1)
        failures.check(HOST)
        pause = min(pause * 2, LONGEST_PAUSE)


def test_failures_of_requests_that_ran_together_count_once(
    failures: Failures, clock: Clock
) -> None:
    for _ in range(5):
        failures.settle(HOST, Unreachable("cannot connect", registry=HOST))
    clock.now += FIRST_PAUSE
    failures.check(HOST)


@pytest.mark.parametrize("kind", [RateLimited, RegistryFailed])
@pytest.mark.parametrize(
    ("asked_s", "pause"),
    [(30.0, timedelta(seconds=30)), (0.0, FIRST_PAUSE), (1e18, LONGEST_ASKED_PAUSE)],
)
def test_a_registry_gets_the_pause_that_it_asks_for(
    failures: Failures,
    clock: Clock,
    kind: type[RegistryUnavailable],
    asked_s: float,
    pause: timedelta,
) -> None:
    fail(failures, kind("wait", registry=HOST, retry_after_s=asked_s))
    clock.now += pause - timedelta(seconds=1)
    with pytest.raises(kind):
        failures.check(HOST)
    clock.now += timedelta(seconds=1)
    failures.check(HOST)


def test_one_request_at_a_time_asks_again(failures: Failures, clock: Clock) -> None:
    fail(failures)
    clock.now += timedelta(minutes=1)
    with failures.request(HOST):
        with pytest.raises(Unreachable):
            failures.check(HOST)
        assert failures.has_failed(HOST)
    failures.check(HOST)


def test_a_request_that_is_given_up_lets_another_one_ask(failures: Failures, clock: Clock) -> None:
    fail(failures)
    clock.now += timedelta(minutes=1)
    with pytest.raises(asyncio.CancelledError), failures.request(HOST):
        raise asyncio.CancelledError
    failures.check(HOST)
    assert failures.has_failed(HOST)


@pytest.mark.parametrize("kind", [ManifestNotFound, Offline])
def test_what_says_nothing_about_the_registry_is_not_remembered(
    failures: Failures, kind: type[RegistryError]
) -> None:
    fail(failures, kind("no", registry=HOST))
    failures.check(HOST)
