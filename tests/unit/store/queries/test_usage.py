from __future__ import annotations

from typing import TYPE_CHECKING

from store.catalog.checking.scrub import CheckedContent
from store.maintenance.reports import CollectionReport, Kept, KeptReason
from store.queries.usage import Usage, UsageRow, completed
from tests.support.images import A, B, E
from tests.support.stored_images import put_image

if TYPE_CHECKING:
    from store import Store


def test_shared_layers_count_once(store: Store) -> None:
    put_image(store, A, B, tags=("x:1",))
    put_image(store, A, E, tags=("y:1",))
    put_image(store, A, B, E)
    usage = store.usage()
    assert [(row.kind, row.count, row.active) for row in usage.rows] == [
        ("Images", 3, 2),
        ("Layers", 3, 3),
        ("Blobs", 3, 3),
    ]
    assert usage.on_disk_bytes > usage.database_bytes > 0
    assert all(image.unique_bytes == 0 for image in usage.images)


def test_a_layer_of_one_unnamed_image_is_reclaimable(store: Store) -> None:
    put_image(store, A, tags=("x:1",))
    put_image(store, A, B)
    images, layers, blobs = store.usage().rows
    assert images.reclaimable_bytes == layers.reclaimable_bytes == len(B)
    assert 0 < blobs.reclaimable_bytes < blobs.size_bytes


def test_the_usage_says_how_much_content_was_checked(store: Store) -> None:
    assert store.usage().checked == CheckedContent(0, 0, None)
    put_image(store, A, tags=("x:1",))
    # A layer, and a config and a manifest that were never checked.
    assert store.usage().checked == CheckedContent(3, 0, None)


def test_each_image_has_its_own_and_its_shared_part(store: Store) -> None:
    put_image(store, A, B, tags=("x:1",))
    put_image(store, A, tags=("y:1",))
    parts = {image.references[0].familiar: image for image in store.usage().images}
    assert (parts["x:1"].unique_bytes, parts["x:1"].shared_bytes) == (len(B), len(A))
    assert (parts["y:1"].unique_bytes, parts["y:1"].shared_bytes) == (0, len(A))
    assert store.usage(each=False).images == ()


def test_the_catalogue_the_other_files_and_a_dry_run_complete_the_report() -> None:
    kept = (
        Kept(KeptReason.UNTAGGED, 1, 100, 1),
        Kept(KeptReason.PUSHED, 1, 1000, repository="docker.io/team/app"),
    )
    tried = CollectionReport((), 0, 0, (), 10, 0, 0, dry_run=True, kept=kept)
    blobs = UsageRow("Blobs", 1, 1, 5, 0)
    report = completed(
        Usage((blobs,), (), 5, 0, checked=CheckedContent(1, 0, None)),
        database_bytes=7,
        other_bytes=20,
        collection=tried,
    )
    assert (report.on_disk_bytes, report.database_bytes) == (32, 7)
    assert (report.collectable_bytes, report.prunable_bytes, report.kept) == (10, 110, kept)
    assert report.rows == (UsageRow("Blobs", 1, 1, 5, 110),)
