"""The upgrade to revision 0010: content of an older store was last checked when it was written."""

from __future__ import annotations

import time
from datetime import timedelta
from typing import TYPE_CHECKING

from store import Store
from store.maintenance.pace import Pace
from store.maintenance.scrub import Scrub, checked_content
from store.model.progress import Silent
from tests.support import images
from tests.support import old_stores as older
from tests.support.old_stores import NOW
from tests.support.stored_images import put_image

if TYPE_CHECKING:
    from pathlib import Path


def test_the_files_of_an_older_store_are_due_when_they_are_old(tmp_path: Path) -> None:
    full = tmp_path / "full"
    with Store.open(full, create=True, clock=lambda: NOW) as store:
        put_image(store, images.A, images.B, tags=("x:1",))
    root = older.older_store(full, tmp_path / "old", "0009", tmp_path / "scripts")
    Store.upgrade(root)
    for days, due in ((1, 2), (40, 4)):
        with Store.open(root, clock=lambda age=days: NOW + timedelta(days=age)) as store:  # type: ignore[misc] # mypy cannot infer it
            pace = Pace(None, clock=time.monotonic, sleep=time.sleep)
            run = Scrub(store, pace, Silent(), max_age=timedelta(days=30))
            assert list(run.run()) == []
            # The two documents have no time, and are read first.
            assert run.report.contents == due
            assert checked_content(store).oldest is not None
