"""The upgrade to revision 0013: an older store has had no sync."""

from __future__ import annotations

from typing import TYPE_CHECKING

from store import Store
from store.catalog.upstream import synced_tags
from store.catalog.upstream.synced_tags import SyncedName, SyncedTag
from tests.support import images
from tests.support import old_stores as older
from tests.support.old_stores import NOW
from tests.support.stored_images import put_image

if TYPE_CHECKING:
    from pathlib import Path


def test_an_older_store_remembers_no_sync(tmp_path: Path) -> None:
    full = tmp_path / "full"
    with Store.open(full, create=True, clock=lambda: NOW) as store:
        put_image(store, images.A, tags=("x:1",))
    root = older.older_store(full, tmp_path / "old", "0012", tmp_path / "scripts")
    Store.upgrade(root)
    with Store.open(root, clock=lambda: NOW) as store:
        assert store.inspect("x:1").image_id
        digest = store.inspect_manifest("x:1").summary.digest
        name = SyncedName("docker.io/library/x", "1")
        row = SyncedTag("docker.io/library/x", digest, "", "", NOW, NOW, 0)
        with store.write() as connection:
            assert synced_tags.of_sync(connection, "any") == {}
            synced_tags.put(connection, "any", {name: row})
            assert synced_tags.of_sync(connection, "any") == {name: row}
