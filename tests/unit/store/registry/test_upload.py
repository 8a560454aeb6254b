from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from store.errors import (
    DigestMismatch,
    OutOfOrder,
    TooLarge,
    UploadNotFound,
)
from store.model.contents import ContentState
from store.model.digests import Digest
from store.model.limits import Limits
from store.registry.registry import Registry
from tests.support.registry_pushes import (
    APP,
    OTHER,
    push_blob,
)

if TYPE_CHECKING:
    from store import Store


def test_an_upload_in_pieces_becomes_a_blob(store: Store, registry: Registry) -> None:
    upload_id = registry.uploads.begin(APP)
    with registry.uploads.resume(APP, upload_id) as upload:
        upload.expect(0)
        upload.write(b"first ")
    assert registry.uploads.offset(APP, upload_id) == 6
    with registry.uploads.resume(APP, upload_id) as upload:
        upload.write(b"second")
        upload.finish(Digest.of(b"first second"))
    found = registry.blob(APP, Digest.of(b"first second"))
    assert (found.size_bytes, found.in_file, found.state) == (12, True, ContentState.PRESENT)
    assert not list((store.root / "uploads").iterdir())
    with pytest.raises(UploadNotFound):
        registry.uploads.offset(APP, upload_id)
    assert list(store.fsck()) == []


def test_a_piece_must_begin_at_the_offset(registry: Registry) -> None:
    upload_id = registry.uploads.begin(APP)
    with registry.uploads.resume(APP, upload_id) as upload:
        upload.write(b"1234")
        with pytest.raises(OutOfOrder) as caught:
            upload.expect(5)
    assert caught.value.offset_bytes == 4


def test_the_wrong_digest_ends_the_upload(store: Store, registry: Registry) -> None:
    upload_id = registry.uploads.begin(APP)
    with registry.uploads.resume(APP, upload_id) as upload:
        upload.write(b"something")
        with pytest.raises(DigestMismatch) as caught:
            upload.finish(Digest.of(b"something else"))
    assert caught.value.got == Digest.of(b"something")
    with pytest.raises(UploadNotFound):
        registry.uploads.resume(APP, upload_id)
    assert not list((store.root / "uploads").iterdir())


def test_a_blob_has_a_largest_size(store: Store) -> None:
    registry = Registry(store, limits=Limits(layer_bytes=10))
    with registry.uploads.once(APP) as upload, pytest.raises(TooLarge):
        upload.write(b"01234567890")
    assert not list((store.root / "uploads").iterdir())


def test_the_same_blob_twice_is_stored_once(store: Store, registry: Registry) -> None:
    digest = push_blob(registry, b"data")
    assert push_blob(registry, b"data", OTHER) == digest
    assert [*store.blobs.digests()] == [digest]
    assert list((store.root / "uploads").iterdir()) == []
    assert set(registry.holders(digest)) == {APP, OTHER}
