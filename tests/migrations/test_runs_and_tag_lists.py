"""The upgrade to revision 0017: runs of syncs are found by an index, lists of tags are unknown."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING

from store import Store
from store.catalog import naming, references
from store.catalog.lists import tag_changes
from store.catalog.upstream import tag_lists
from store.catalog.upstream.tag_lists import TagList
from store.db.schema import OF_RUNS
from store.db.sqlite.engine import DATABASE
from store.model.references import Reference
from tests.support import images
from tests.support import old_stores as older
from tests.support.old_stores import NOW
from tests.support.stored_images import put_image

if TYPE_CHECKING:
    from pathlib import Path

RUN = "sync-0123456789ab"
NAME = Reference.parse("x:1")


def test_an_older_store_finds_its_runs_and_knows_no_lists(tmp_path: Path) -> None:
    full = tmp_path / "full"
    with Store.open(full, create=True, clock=lambda: NOW) as store:
        put_image(store, images.A, tags=("x:1",))
        with store.write("test") as connection:
            target = references.get(connection, NAME)
            assert target is not None
            naming.remove_tag(connection, target, now=NOW, operation=f"{RUN}-7")
    root = older.older_store(full, tmp_path / "old", "0016", tmp_path / "scripts")
    Store.upgrade(root)
    with closing(sqlite3.connect(root / DATABASE)) as database:
        sql = "SELECT sql FROM sqlite_master WHERE name = 'ix_reference_log_run'"
        ((statement,),) = database.execute(sql).fetchall()
    assert OF_RUNS in statement
    with Store.open(root, clock=lambda: NOW) as store, store.write() as connection:
        (change,) = tag_changes.of_run(connection, RUN)
        assert (change.reference, change.operation) == (NAME, f"{RUN}-7")
        assert tag_lists.get(connection, NAME.repository) is None
        tag_lists.put(connection, NAME.repository, TagList(("1",), NOW))
        assert tag_lists.get(connection, NAME.repository) == TagList(("1",), NOW)
