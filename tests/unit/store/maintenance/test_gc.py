"""Collections and dry runs of whole stores."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from store.maintenance.reports import KeptReason
from store.model.digests import Digest
from tests.support.images import A, B, E
from tests.support.stored_images import put_image, set_parent

if TYPE_CHECKING:
    from store import Store


def test_unnamed_images_stay_unless_dangling_ones_are_deleted(store: Store) -> None:
    unnamed = put_image(store, A)
    put_image(store, B, tags=("x:1",))
    assert store.collect(dangling=False).images == ()
    report = store.collect(dangling=True)
    assert (report.images, report.layers, report.manifests) == ((unnamed,), 1, 1)
    assert len(report.blobs) == 1
    assert report.freed_bytes > 0


def test_an_unnamed_parent_of_a_named_image_stays(store: Store) -> None:
    parent = put_image(store, A)
    set_parent(store, put_image(store, A, B, tags=("x:1",)), parent)
    assert store.collect(dangling=True).images == ()


def test_a_dry_run_reports_what_a_run_deletes_and_changes_nothing(store: Store) -> None:
    put_image(store, A, E)
    put_image(store, B)
    before = sorted(map(str, store.blobs.locations()))
    tried = store.collect(dry_run=True, dangling=True)
    assert sorted(map(str, store.blobs.locations())) == before
    assert len(store.images()) == 2
    done = store.collect(dangling=True)
    assert tried.dry_run
    assert not done.dry_run
    assert (set(tried.images), tried.layers, set(tried.blobs), tried.freed_bytes) == (
        set(done.images),
        done.layers,
        set(done.blobs),
        done.freed_bytes,
    )
    assert list(store.blobs.locations()) == []


def test_files_without_a_row_are_set_aside(store: Store) -> None:
    path = store.blobs.path(Digest.of(b"orphan"))
    path.parent.mkdir(parents=True)
    path.write_bytes(b"orphan")
    report = store.collect(dangling=False)
    assert (report.orphan_files, report.freed_bytes) == (0, 0)
    assert [one.reason for one in report.kept] == [KeptReason.QUARANTINED]
    assert not path.exists()


@pytest.mark.parametrize("dangling", [False, True])
def test_an_empty_store_has_nothing_to_collect(store: Store, *, dangling: bool) -> None:
    report = store.collect(dangling=dangling)
    assert (report.images, report.blobs, report.freed_bytes) == ((), (), 0)
