"""The last run of each sync is remembered by its name."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from store.catalog.upstream import sync_runs
from store.catalog.upstream.sync_runs import SyncRun
from tests.conftest import NOW

if TYPE_CHECKING:
    from store import Store


def test_a_run_takes_the_place_of_the_last_one(store: Store) -> None:
    first = SyncRun("nightly", "sync-1", NOW, NOW, NOW, 0, 5, 2, 0, 1 << 40, 0)
    other = SyncRun("hourly", "", NOW, NOW, None, 4, 0, 0, 0, 0, 1)
    later = first._replace(run="sync-2", ended_at=NOW + timedelta(hours=1), exit_code=11)
    with store.write() as connection:
        sync_runs.put(connection, first)
        sync_runs.put(connection, other)
    with store.read() as connection:
        assert sync_runs.last_runs(connection, ["nightly", "absent"]) == {"nightly": first}
    with store.write() as connection:
        sync_runs.put(connection, later)
    with store.read() as connection:
        found = sync_runs.last_runs(connection, ["nightly", "hourly"])
    assert found == {"nightly": later, "hourly": other}
