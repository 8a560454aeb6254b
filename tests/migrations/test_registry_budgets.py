"""The upgrade to revision 0016: no registry has announced anything to an older store."""

from __future__ import annotations

from typing import TYPE_CHECKING

from store import Store
from store.catalog.upstream import budgets
from store.catalog.upstream.budgets import AnnouncedBudget
from tests.support import images
from tests.support import old_stores as older
from tests.support.old_stores import NOW
from tests.support.stored_images import put_image

if TYPE_CHECKING:
    from pathlib import Path


def test_an_older_store_knows_no_announcements(tmp_path: Path) -> None:
    full = tmp_path / "full"
    with Store.open(full, create=True, clock=lambda: NOW) as store:
        put_image(store, images.A, tags=("x:1",))
    root = older.older_store(full, tmp_path / "old", "0015", tmp_path / "scripts")
    Store.upgrade(root)
    with Store.open(root, clock=lambda: NOW) as store:
        assert store.inspect("x:1").image_id
        row = AnnouncedBudget("docker.io", 9, 100, NOW, NOW)
        with store.write() as connection:
            assert budgets.get(connection, "docker.io") is None
            budgets.put(connection, row)
            assert budgets.get(connection, "docker.io") == row
