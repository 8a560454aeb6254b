"""Old rows of the history are removed in several transactions."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from store.catalog.collection import history
from store.catalog.events import Event
from store.maintenance.history import remove_old_history
from tests.conftest import NOW

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

    from sqlalchemy import Connection

    from store import Store


@pytest.mark.parametrize(("keep", "units"), [(10, 1), (7, 2), (0, 6)])
def test_each_transaction_is_short(
    keep: int, units: int, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(history, "MAX_REMOVED", 2)
    store.record([Event(NOW + timedelta(seconds=n), "tag", str(n)) for n in range(10)])
    used = 0

    def write() -> AbstractContextManager[Connection]:
        nonlocal used
        used += 1
        return store.write()

    assert remove_old_history(write, keep=keep) == 10 - keep
    assert used == units
    assert len(list(store.events())) == keep
