"""The requests that registries announce, and the reserve for others."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from remote.errors import BudgetReached
from remote.http.budgets import DEFAULT_RESERVE, LONGEST, Budget, Budgets, Reserve

NOW = datetime(2026, 1, 2, tzinfo=UTC)
HUB = "docker.io"


def announced(remaining: int, limit: int = 100) -> dict[str, str]:
    return {"RateLimit-Limit": f"{limit};w=21600", "RateLimit-Remaining": f"{remaining};w=21600"}


@pytest.mark.parametrize(
    ("headers", "found"),
    [
        (announced(76), Budget(76, 100, NOW, NOW + LONGEST)),
        (
            {"RateLimit-Remaining": "5;w=60"},
            Budget(5, None, NOW, NOW + timedelta(minutes=1)),
        ),
        (
            {"X-RateLimit-Remaining": "5", "X-RateLimit-Limit": "50, 50;w=60"},
            Budget(5, 50, NOW, NOW + timedelta(minutes=1)),
        ),
        ({"RateLimit-Remaining": "0"}, Budget(0, None, NOW, NOW + LONGEST)),
        ({"RateLimit-Remaining": "many"}, None),
        ({"RateLimit-Remaining": "-1"}, None),
        ({"RateLimit-Remaining": "9" * 10}, None),
        ({"RateLimit-Limit": "100"}, None),
        ({}, None),
    ],
)
def test_announcements_are_read(headers: dict[str, str], found: Budget | None) -> None:
    assert Budget.parse(headers, NOW) == found


def test_a_reserve_is_a_number_or_a_part() -> None:
    assert Reserve(7).of(100) == Reserve(7).of(None) == 7
    assert (DEFAULT_RESERVE.of(100), DEFAULT_RESERVE.of(101), DEFAULT_RESERVE.of(5)) == (10, 11, 1)
    assert DEFAULT_RESERVE.of(None) == 0


def test_the_reserve_is_left_to_others_for_some_time() -> None:
    now = [NOW]
    budgets = Budgets(now=lambda: now[0])
    budgets.check(HUB)
    budgets.note(HUB, announced(11))
    budgets.check(HUB)
    budgets.note(HUB, {})
    budgets.note(HUB, announced(10))
    with pytest.raises(BudgetReached, match="takes 10 of 100 more requests") as caught:
        budgets.check(HUB)
    assert caught.value.retry_after_s == LONGEST.total_seconds()
    budgets.check("quay.io")
    # Its window slides: then a request asks again.
    now[0] += LONGEST
    budgets.check(HUB)


def test_without_a_reserve_all_requests_are_used() -> None:
    budgets = Budgets(Reserve(0))
    budgets.note(HUB, announced(1))
    budgets.check(HUB)
    budgets.note(HUB, announced(0))
    with pytest.raises(BudgetReached):
        budgets.check(HUB)


def test_news_are_those_of_this_process() -> None:
    budgets = Budgets(now=lambda: NOW)
    old = Budget(50, 100, NOW - timedelta(minutes=1), NOW + LONGEST)
    budgets.learn(HUB, old)
    assert budgets.news() == {}
    budgets.note(HUB, announced(40))
    assert budgets.news() == {HUB: Budget(40, 100, NOW, NOW + LONGEST)}
    assert budgets.news() == {}
    # What is older is not learned.
    budgets.learn(HUB, Budget(0, 100, NOW - timedelta(minutes=1), NOW + LONGEST))
    budgets.check(HUB)
