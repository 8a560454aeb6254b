"""What registries have announced; the newest announcement counts."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from store.catalog.upstream import budgets
from store.catalog.upstream.budgets import AnnouncedBudget
from tests.conftest import NOW

if TYPE_CHECKING:
    from store import Store

LATER = NOW + timedelta(minutes=1)


def test_an_older_announcement_changes_nothing(store: Store) -> None:
    new = AnnouncedBudget("docker.io", 9, 100, LATER, LATER)
    with store.write() as connection:
        assert budgets.get(connection, "docker.io") is None
        budgets.put(connection, new)
        budgets.put(connection, AnnouncedBudget("docker.io", 70, None, NOW, NOW))
        assert budgets.get(connection, "docker.io") == new
        newest = new._replace(remaining=8, ceiling=None)
        budgets.put(connection, newest)
        assert budgets.get(connection, "docker.io") == newest
        assert budgets.get(connection, "quay.io") is None
