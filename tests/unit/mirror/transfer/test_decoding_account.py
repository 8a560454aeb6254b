"""The processor time that clients spend on decoded bytes that are not sent."""

from __future__ import annotations

import pytest

from mirror.shared_times import SharedTimes
from mirror.transfer.decoding_account import BURST_S, REFILL, DecodingAccount


class Clock:
    """A clock that a test sets."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def test_a_client_that_has_spent_its_time_waits_until_it_is_paid() -> None:
    clock, debts = Clock(), SharedTimes()
    account = DecodingAccount(debts, "192.0.2.1", clock)
    assert account.wait_s == 0
    account.charge(BURST_S)
    assert account.wait_s == 0
    account.charge(2.0)
    assert account.wait_s == pytest.approx(2.0 / REFILL)
    clock.now += 2.0 / REFILL
    assert account.wait_s == 0


def test_clients_have_accounts_of_their_own() -> None:
    clock, debts = Clock(), SharedTimes()
    DecodingAccount(debts, "192.0.2.1", clock).charge(BURST_S * 3)
    assert DecodingAccount(debts, "192.0.2.1", clock).wait_s > 0
    assert DecodingAccount(debts, "192.0.2.2", clock).wait_s == 0
