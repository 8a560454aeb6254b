"""The upgrade to revision 0014: a server of an older store has run no sync."""

from __future__ import annotations

from typing import TYPE_CHECKING

from store import Store
from store.catalog.upstream import sync_runs
from store.catalog.upstream.sync_runs import SyncRun
from tests.support import images
from tests.support import old_stores as older
from tests.support.old_stores import NOW
from tests.support.stored_images import put_image

if TYPE_CHECKING:
    from pathlib import Path


def test_an_older_store_has_no_scheduled_runs(tmp_path: Path) -> None:
    full = tmp_path / "full"
    with Store.open(full, create=True, clock=lambda: NOW) as store:
        put_image(store, images.A, tags=("x:1",))
    root = older.older_store(full, tmp_path / "old", "0013", tmp_path / "scripts")
    Store.upgrade(root)
    with Store.open(root, clock=lambda: NOW) as store:
        assert store.inspect("x:1").image_id
        run = SyncRun("nightly", "sync-1", NOW, NOW, None, 11, 3, 1, 1, 10, 2)
        with store.write() as connection:
            assert sync_runs.last_runs(connection, ["nightly"]) == {}
            sync_runs.put(connection, run)
            assert sync_runs.last_runs(connection, ["nightly"]) == {"nightly": run}
