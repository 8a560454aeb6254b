"""The upgrade to revision 0015: no manifest of an older store is pending."""

from __future__ import annotations

from typing import TYPE_CHECKING

from store import Store
from store.catalog.upstream import pending
from store.catalog.upstream.pending import PendingManifest
from store.model.digests import Digest
from store.model.references import Repository
from tests.support import images
from tests.support import old_stores as older
from tests.support.old_stores import NOW
from tests.support.stored_images import put_image

if TYPE_CHECKING:
    from pathlib import Path

TEAM = Repository("docker.io", "team/app")


def test_an_older_store_has_no_pending_manifests(tmp_path: Path) -> None:
    full = tmp_path / "full"
    with Store.open(full, create=True, clock=lambda: NOW) as store:
        put_image(store, images.A, tags=("x:1",))
    root = older.older_store(full, tmp_path / "old", "0014", tmp_path / "scripts")
    Store.upgrade(root)
    with Store.open(root, clock=lambda: NOW) as store:
        assert store.inspect("x:1").image_id
        with store.write() as connection:
            assert pending.since(connection, TEAM, 0) == []
            row = PendingManifest(Digest.of(b"x"), "application/x", b"x", "1", "", NOW)
            pending.put(connection, TEAM, row)
            assert [one for _, one in pending.since(connection, TEAM, 0)] == [row]
