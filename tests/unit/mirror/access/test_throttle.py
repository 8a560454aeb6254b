"""The limit on the number of failed logins."""

from __future__ import annotations

import os

import pytest

from mirror.access import (
    LoginFailures,
)
from mirror.access.throttle import BURST, REFILL_S, Throttle
from tests.support.clocks import StillClock


def test_failures_are_counted_per_network() -> None:
    clock = StillClock()
    throttle = Throttle(clock, LoginFailures())
    for _ in range(BURST):
        assert throttle.wait_s("10.0.0.1") == 0
        throttle.failed("10.0.0.1")
    assert throttle.wait_s("10.0.0.1") == pytest.approx(REFILL_S)
    assert throttle.wait_s("::ffff:10.0.0.1") > 0
    assert throttle.wait_s("10.0.0.2") == 0
    clock.now += REFILL_S
    assert throttle.wait_s("10.0.0.1") == 0
    throttle.failed("10.0.0.1")
    assert throttle.wait_s("10.0.0.1") > 0
    for _ in range(BURST):
        throttle.failed("2001:db8::1%eth0")
    assert throttle.wait_s("2001:db8::ffff") > 0
    assert throttle.wait_s("2001:db8:0:1::1") == 0


def test_many_networks_that_fail_once_do_not_push_out_one_that_fails_often() -> None:
    clock = StillClock()
    throttle = Throttle(clock, LoginFailures(b"key"))
    for _ in range(BURST):
        throttle.failed("10.0.0.1")
    for number in range(50_000):
        throttle.failed(f"host {number}")
    assert throttle.wait_s("10.0.0.1") > 0


def test_failures_are_counted_for_all_processes_together() -> None:
    failures = LoginFailures()
    throttle = Throttle(lambda: 1000.0, failures)
    children = []
    for _ in range(4):
        child = os.fork()
        if not child:
            for _ in range(50):
                throttle.failed("10.0.0.1")
            os._exit(0)
        children.append(child)
    assert [os.waitpid(child, 0)[1] for child in children] == [0] * 4
    assert throttle.wait_s("10.0.0.1") == pytest.approx((200 - BURST + 1) * REFILL_S)
