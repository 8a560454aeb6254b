"""The limits on the number of failed logins."""

from __future__ import annotations

import os

import pytest

from mirror.access.throttle import (
    BURST,
    KNOWN_NETWORK_S,
    REFILL_S,
    REGION_BURST,
    REGION_REFILL_S,
    TOKEN_BURST,
    TOKEN_REFILL_S,
    USER_BURST,
    USER_REFILL_S,
    LoginHistory,
    Throttle,
    client_network,
    client_networks,
)
from mirror.shared_times import SharedTimes
from tests.support.clocks import StillClock


@pytest.fixture
def clock() -> StillClock:
    return StillClock()


@pytest.fixture
def throttle(clock: StillClock) -> Throttle:
    return Throttle(clock, LoginHistory())


def test_failures_are_counted_per_network(throttle: Throttle, clock: StillClock) -> None:
    for _ in range(BURST):
        assert throttle.wait_s("10.0.0.1") == 0
        throttle.failed("alice", "10.0.0.1")
    assert throttle.wait_s("10.0.0.1") == pytest.approx(REFILL_S)
    assert throttle.wait_s("::ffff:10.0.0.1") > 0
    assert throttle.wait_s("10.0.0.2") == 0
    clock.now += REFILL_S
    assert throttle.wait_s("10.0.0.1") == 0
    throttle.failed("alice", "10.0.0.1")
    assert throttle.wait_s("10.0.0.1") > 0
    for _ in range(BURST):
        throttle.failed("alice", "2001:db8::1%eth0")
    assert throttle.wait_s("2001:db8::ffff") > 0
    assert throttle.wait_s("2001:db8:0:1::1") == 0


def test_many_networks_that_fail_once_do_not_push_out_one_that_fails_often(
    clock: StillClock,
) -> None:
    throttle = Throttle(clock, LoginHistory(SharedTimes(b"key")))
    for _ in range(BURST):
        throttle.failed("alice", "10.0.0.1")
    for number in range(20_000):
        throttle.failed(f"user {number}", f"host {number}")
    assert throttle.wait_s("10.0.0.1") > 0


def test_failures_are_counted_for_all_processes_together() -> None:
    throttle = Throttle(lambda: 1000.0, LoginHistory())
    children = []
    for _ in range(4):
        child = os.fork()
        if not child:
            for _ in range(50):
                throttle.failed("alice", "10.0.0.1")
            os._exit(0)
        children.append(child)
    assert [os.waitpid(child, 0)[1] for child in children] == [0] * 4
    assert throttle.wait_s("10.0.0.1") == pytest.approx((200 - BURST + 1) * REFILL_S)


def test_guesses_at_one_user_from_many_networks_are_slowed_down(
    throttle: Throttle, clock: StillClock
) -> None:
    for number in range(USER_BURST):
        assert throttle.delay_s("bob", f"10.{number}.0.1") == 0
        throttle.failed("bob", f"10.{number}.0.1")
    assert throttle.delay_s("bob", "172.16.0.1") == pytest.approx(USER_REFILL_S)
    assert throttle.wait_s("172.16.0.1") == 0
    assert throttle.delay_s("alice", "172.16.0.1") == 0
    clock.now += USER_REFILL_S
    assert throttle.delay_s("bob", "172.16.0.1") == 0


def test_nobody_slows_down_a_user_in_a_known_network(throttle: Throttle, clock: StillClock) -> None:
    throttle.succeeded("bob", "192.0.2.7")
    for number in range(2 * REGION_BURST):
        throttle.failed("bob", f"10.{number % 250}.0.1")
        throttle.failed("carol", f"192.0.2.{number % 250}")
    assert throttle.delay_s("bob", "10.9.0.1") > 0
    assert throttle.delay_s("bob", "192.0.2.7") == 0
    assert throttle.delay_s("bob", "192.0.2.9") > 0
    assert throttle.knows("bob", "192.0.2.7")
    assert not throttle.knows("alice", "192.0.2.7")
    clock.now += KNOWN_NETWORK_S
    assert not throttle.knows("bob", "192.0.2.7")


def test_wrong_passwords_of_a_known_network_do_not_slow_down_the_user_elsewhere(
    throttle: Throttle,
) -> None:
    throttle.succeeded("bob", "192.0.2.7")
    for _ in range(2 * USER_BURST):
        throttle.failed("bob", "192.0.2.7")
    assert throttle.delay_s("bob", "10.0.0.1") == 0
    assert throttle.wait_s("192.0.2.7") > 0


def test_network_of_many_small_networks_is_slowed_down(
    throttle: Throttle, clock: StillClock
) -> None:
    for number in range(REGION_BURST):
        throttle.failed(f"user {number}", f"2001:db8:7:{number:x}::1")
    assert throttle.delay_s("alice", "2001:db8:7:ffff::1") == pytest.approx(REGION_REFILL_S)
    assert throttle.wait_s("2001:db8:7:ffff::1") == 0
    assert throttle.delay_s("alice", "2001:db8:8::1") == 0
    clock.now += REGION_REFILL_S
    assert throttle.delay_s("alice", "2001:db8:7:ffff::1") == 0


def test_tokens_have_a_limit_of_their_own(throttle: Throttle) -> None:
    for _ in range(TOKEN_BURST):
        assert throttle.token_wait_s("10.0.0.1") == 0
        throttle.token_failed("10.0.0.1")
    assert throttle.token_wait_s("10.0.0.1") == pytest.approx(TOKEN_REFILL_S)
    assert throttle.wait_s("10.0.0.1") == 0
    assert throttle.token_wait_s("10.0.0.2") == 0


def test_network_has_failed_until_all_its_attempts_are_restored(
    throttle: Throttle, clock: StillClock
) -> None:
    assert not throttle.has_failed("10.0.0.1")
    throttle.failed("alice", "10.0.0.1")
    assert throttle.has_failed("10.0.0.1")
    assert not throttle.has_failed("10.0.0.2")
    clock.now += REFILL_S
    assert not throttle.has_failed("10.0.0.1")


@pytest.mark.parametrize(
    ("address", "networks"),
    [
        ("10.1.2.3", ("10.1.0.0/16", "10.1.2.0/24", "10.1.2.3")),
        ("::ffff:10.1.2.3", ("10.1.0.0/16", "10.1.2.0/24", "10.1.2.3")),
        ("2001:db8:1:2::3%eth0", ("2001:db8::/32", "2001:db8:1::/48", "2001:db8:1:2::/64")),
        ("unix", ("unix", "unix", "unix")),
        (None, ("", "", "")),
    ],
)
def test_networks_of_a_client(address: str | None, networks: tuple[str, str, str]) -> None:
    assert client_networks(address) == networks
    assert client_network(address) == networks[-1]
