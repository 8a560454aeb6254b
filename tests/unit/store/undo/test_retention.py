"""A collection keeps what tags could be rolled back to, for as long as the user wants."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from store import Store, errors
from store.maintenance.reports import KeptReason
from store.undo.rollback import rollback
from tests.conftest import NOW
from tests.support.images import A, B
from tests.support.stored_images import put_image

if TYPE_CHECKING:
    from pathlib import Path

DAY = timedelta(days=1)


def aged(root: Path, days: int) -> Store:
    return Store.open(root, create=True, clock=lambda: NOW + days * DAY)


@pytest.mark.parametrize("dangling", [False, True])
def test_what_was_removed_stays_for_the_time(root: Path, dangling: bool) -> None:
    with aged(root, 0) as store:
        put_image(store, A, tags=("x:1",))
        store.remove("x:1")
    for days in (0, 6):
        with aged(root, days) as store:
            store.undo_for = 7 * DAY
            tried = store.collect(dangling=dangling, dry_run=True)
            report = store.collect(dangling=dangling)
            assert (tried.freed_bytes, report.freed_bytes, report.layers) == (0, 0, 0)
            (kept,) = report.kept
            assert tried.kept == report.kept
            assert (kept.reason, kept.files, kept.until) == (KeptReason.UNDO, 1, NOW + 7 * DAY)
            rollback(store, ("x:1",), dry_run=True)
    with aged(root, 8) as store:
        store.undo_for = 7 * DAY
        assert store.collect().freed_bytes == kept.size_bytes
        with pytest.raises(errors.ImageNotFound):
            rollback(store, ("x:1",))


def test_untagged_images_stay_although_they_are_pruned(root: Path) -> None:
    with aged(root, 0) as store:
        put_image(store, A, tags=("x:1",))
        put_image(store, B, tags=("x:1",))
        put_image(store, A, B)
        store.undo_for = DAY
        report = store.collect(dangling=True)
        # The image that never had a tag goes.
        assert len(report.images) == 1
        (kept,) = report.kept
        assert (kept.reason, kept.images) == (KeptReason.UNDO, 1)
        rollback(store, ("x:1",))
        store.undo_for = timedelta(0)
        assert len(store.collect(dangling=True).images) == 1


def test_what_is_pruned_at_once_is_not_kept(root: Path) -> None:
    with aged(root, 0) as store:
        put_image(store, A, tags=("x:1",))
        store.remove("x:1")
        assert store.collect().kept == ()
