"""Processes share what registries announce, also with later runs."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest

from remote.errors import BudgetReached
from remote.http.budget_rows import INTERVAL_S, BudgetRows
from remote.http.budgets import Budgets
from store.errors import StoreBusy

if TYPE_CHECKING:
    from store import Store

NOW = datetime(2026, 1, 2, tzinfo=UTC)
HUB = "docker.io"
FEW = {"RateLimit-Limit": "100", "RateLimit-Remaining": "1"}


def test_another_process_learns_what_was_announced(store: Store) -> None:
    one, other = Budgets(now=lambda: NOW), Budgets(now=lambda: NOW)
    one.note(HUB, FEW)
    BudgetRows(store).exchange(one, [HUB])
    BudgetRows(store).exchange(other, ["quay.io"])
    other.check(HUB)
    BudgetRows(store).exchange(other, [HUB])
    with pytest.raises(BudgetReached):
        other.check(HUB)


def test_a_server_exchanges_sometimes(store: Store) -> None:
    time_s = [0.0]
    rows, budgets, other = BudgetRows(store, lambda: time_s[0]), Budgets(), Budgets()
    rows.exchange_sometimes(budgets, HUB)
    other.note(HUB, FEW)
    BudgetRows(store).exchange(other, [])
    rows.exchange_sometimes(budgets, HUB)
    budgets.check(HUB)
    time_s[0] += INTERVAL_S
    rows.exchange_sometimes(budgets, HUB)
    with pytest.raises(BudgetReached):
        budgets.check(HUB)


def test_a_busy_catalogue_stops_nothing(
    store: Store, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(*_: object) -> None:
        raise StoreBusy("busy")

    monkeypatch.setattr(type(store), "read", fail)
    BudgetRows(store).exchange(Budgets(), [HUB])
    assert "cannot share rate limits: busy" in caplog.text
