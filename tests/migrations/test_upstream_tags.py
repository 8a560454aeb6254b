"""The upgrade to revision 0012: no tag of an older store counts as pulled through."""

from __future__ import annotations

from typing import TYPE_CHECKING

from store import Store
from store.catalog.upstream import tags as upstream_tags
from store.model.references import Reference
from tests.support import images
from tests.support import old_stores as older
from tests.support.old_stores import NOW
from tests.support.stored_images import put_image

if TYPE_CHECKING:
    from pathlib import Path


def test_tags_of_an_older_store_are_not_those_of_an_upstream_registry(tmp_path: Path) -> None:
    full = tmp_path / "full"
    with Store.open(full, create=True, clock=lambda: NOW) as store:
        put_image(store, images.A, tags=("x:1",))
    root = older.older_store(full, tmp_path / "old", "0011", tmp_path / "scripts")
    Store.upgrade(root)
    with Store.open(root, clock=lambda: NOW) as store:
        assert store.inspect("x:1").image_id
        name = Reference.parse("x:1")
        with store.read() as connection:
            assert upstream_tags.get(connection, name) is None
        with store.write() as connection:
            row = upstream_tags.UpstreamTag(store.inspect_manifest("x:1").summary.digest, "", NOW)
            upstream_tags.put(connection, name, row)
