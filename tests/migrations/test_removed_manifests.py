"""The upgrade to revision 0011: what was removed later comes back, and nothing else."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from store import Store
from store.errors import ImageNotFound
from store.undo.rollback import log, rollback
from tests.support import images
from tests.support import old_stores as older
from tests.support.old_stores import NOW
from tests.support.stored_images import put_image

if TYPE_CHECKING:
    from pathlib import Path


def test_only_what_is_removed_after_the_upgrade_comes_back(tmp_path: Path) -> None:
    full = tmp_path / "full"
    with Store.open(full, create=True, clock=lambda: NOW) as store:
        put_image(store, images.A, tags=("x:1",))
        put_image(store, images.B, tags=("y:1",))
        store.remove("x:1")
    root = older.older_store(full, tmp_path / "old", "0010", tmp_path / "scripts")
    Store.upgrade(root)
    with Store.open(root, clock=lambda: NOW) as store:
        assert [change.actor for change in log(store, "x:1")] == [{}, {}]
        with pytest.raises(ImageNotFound, match="no longer stored"):
            rollback(store, ("x:1",))
        store.remove("y:1")
        rollback(store, ("y:1",))
        assert store.inspect("y:1").image_id
