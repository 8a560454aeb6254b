"""The upgrade to revision 0009: a manifest ends the grace periods of the blobs that it lists."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING

from store import Store
from store.model.digests import Digest
from store.registry.registry import Registry
from tests.support import images
from tests.support import old_stores as older
from tests.support.old_stores import NOW
from tests.support.registry_pushes import APP, OTHER, push_blob, push_image, squeezed

if TYPE_CHECKING:
    from pathlib import Path


def test_only_blobs_without_a_manifest_keep_their_grace(tmp_path: Path) -> None:
    full, listed = tmp_path / "full", squeezed(images.A)
    with Store.open(full, create=True, clock=lambda: NOW) as store:
        registry = Registry(store)
        _, digest = push_image(registry, (images.A, listed))
        push_blob(registry, listed, OTHER)
        loose = push_blob(registry, b"loose")
    root = older.older_store(full, tmp_path / "old", "0008", tmp_path / "scripts")
    with closing(sqlite3.connect(root / "store.db", isolation_level=None)) as connection:
        connection.execute(
            "UPDATE repository_content SET fresh_at = ?", (f"{NOW:%Y-%m-%dT%H:%M:%S.%fZ}",)
        )
    Store.upgrade(root)
    with Store.open(root, clock=lambda: NOW) as store:
        registry = Registry(store)
        registry.delete_manifest(APP, digest)
        freed = store.collect().blobs
        assert Digest.of(images.config(images.A)) in freed
        assert loose not in freed
        assert registry.blob(OTHER, Digest.of(listed)).size_bytes == len(listed)
