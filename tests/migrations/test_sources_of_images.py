"""The upgrade to revision 0008: each image has the addresses of its own foreign layers."""

from __future__ import annotations

import io
import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING

from exporter import Format
from store import Store
from tests.support import old_stores as older
from tests.support.images import A, B
from tests.support.layouts import Layout, foreign, plain
from tests.support.old_stores import NOW
from tests.support.rich_layouts import save

if TYPE_CHECKING:
    from pathlib import Path

URL = "https://example.org/a"
FORMATS = (Format.DOCKER, Format.LEGACY)


def test_every_image_that_has_the_layer_keeps_its_addresses(tmp_path: Path) -> None:
    full = tmp_path / "full"
    layout = Layout()
    images = {
        "foreign:1": (foreign(plain(A), URL),),
        "above:1": (plain(B), plain(A)),
        "below:1": (plain(A), plain(B), plain(A)),
        "other:1": (plain(B),),
    }
    for name, blobs in images.items():
        layout.root(layout.image(*blobs), f"docker.io/library/{name}")
    with Store.open(full, create=True, clock=lambda: NOW) as store:
        store.import_archive(io.BytesIO(layout.tar()))
        other = [save(store, "other:1", format=one) for one in FORMATS]
    root = older.older_store(full, tmp_path / "old", "0007", tmp_path / "scripts")
    with closing(sqlite3.connect(root / "store.db")) as connection:
        (known,) = connection.execute("SELECT * FROM foreign_source").fetchall()
        config = "SELECT content_id, x'7b7d' FROM image LIMIT 1"
        connection.execute(f"INSERT INTO foreign_source {config}")
        connection.commit()
    Store.upgrade(root)
    with closing(sqlite3.connect(root / "store.db")) as connection:
        query = "SELECT count(DISTINCT image_id), content_id, descriptor FROM foreign_source"
        assert connection.execute(f"{query} GROUP BY 2, 3").fetchall() == [(3, *known)]
    with Store.open(root) as store:
        for name in ("foreign:1", "above:1", "below:1"):
            assert all(URL.encode() in save(store, name, format=one) for one in FORMATS)
        assert [save(store, "other:1", format=one) for one in FORMATS] == other
        assert not list(store.fsck())
