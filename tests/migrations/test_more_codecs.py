"""The upgrade to revision 0006: layers may be stored in bzip2 and xz."""

from __future__ import annotations

import bz2
import io
import lzma
import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING

from store import Store
from store.model.contents import DiffState
from store.model.digests import Digest
from store.registry.registry import Registry
from tests.support import images
from tests.support import old_stores as older
from tests.support.old_stores import NOW
from tests.support.registry_pushes import push_image, squeezed

if TYPE_CHECKING:
    from pathlib import Path

SMALL = images.layer("small", b"small")
LARGE = images.layer("large", bytes(9 << 20))


def rows(root: Path) -> list[tuple[object, ...]]:
    with closing(sqlite3.connect(root / "store.db")) as connection:
        return connection.execute("SELECT * FROM encoding ORDER BY 1, 2").fetchall()


def test_old_encodings_stay_and_new_codecs_are_recorded(tmp_path: Path) -> None:
    full = tmp_path / "full"
    with Store.open(full, create=True, clock=lambda: NOW) as store:
        store.import_archive(io.BytesIO(images.image(LARGE, tags=("a:1",)).bytes()))
        image_id, _ = push_image(Registry(store), (images.A, squeezed(images.A)))
        store.verify_image(image_id)
    root = older.older_store(full, tmp_path / "old", "0005", tmp_path / "scripts")
    before = rows(root)
    assert len(before) == 2
    Store.upgrade(root)
    assert rows(root) == before
    with Store.open(root) as store:
        for tag, layer, blob in (
            ("1", images.B, bz2.compress(images.B)),
            ("2", SMALL, lzma.compress(SMALL)),
        ):
            image_id, _ = push_image(Registry(store), (layer, blob), tags=(tag,))
            assert store.verify_image(image_id) is DiffState.VERIFIED
            assert Digest.of(blob) in {
                one.digest for one in store.sources((Digest.of(layer),))[Digest.of(layer)].encodings
            }
        assert not list(store.fsck())
