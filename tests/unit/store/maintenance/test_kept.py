"""What a collection keeps: why, and until when."""

from __future__ import annotations

from typing import TYPE_CHECKING

from store.maintenance.kept import upload_kept
from store.maintenance.reports import KeptReason
from store.model.digests import Digest
from tests.conftest import NOW
from tests.support.images import A, B
from tests.support.stored_images import put_image

if TYPE_CHECKING:
    from store import Store


def test_untagged_images_are_kept_with_the_bytes_that_prune_frees(store: Store) -> None:
    put_image(store, A)
    put_image(store, B, tags=("x:1",))
    report = store.collect()
    (kept,) = report.kept
    assert (kept.reason, kept.images, kept.until) == (KeptReason.UNTAGGED, 1, None)
    assert report.prunable_bytes == kept.size_bytes == store.collect(dangling=True).freed_bytes


def test_content_in_use_is_kept_until_the_operation_ends(store: Store) -> None:
    put_image(store, A, tags=("x:1",))
    blobs = list(store.blobs.digests())
    with store.leased("save", [Digest.of(A)]):
        store.remove("x:1")
        (kept,) = store.collect(end_grace=True).kept
        assert (kept.reason, kept.files) == (KeptReason.OPERATION, 1)
    report = store.collect()
    assert (list(report.blobs), report.freed_bytes) == (blobs, kept.size_bytes)


def test_uploads_are_grouped_by_repository() -> None:
    one, two = upload_kept([("b", 1, NOW), ("a", 2, NOW), ("b", 4, NOW)])
    assert (one.repository, one.files, one.size_bytes) == ("a", 1, 2)
    assert (two.repository, two.files, two.size_bytes, two.until) == ("b", 2, 5, NOW)
