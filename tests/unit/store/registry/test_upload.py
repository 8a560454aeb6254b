from __future__ import annotations

import errno
import os
from typing import TYPE_CHECKING, NoReturn

import pytest

from store import Store
from store.catalog.in_progress import uploads
from store.errors import (
    DigestMismatch,
    OutOfOrder,
    StorageFull,
    StoreBusy,
    TooLarge,
    Unavailable,
    UploadNotFound,
)
from store.files.space.shortage import free_bytes
from store.model.contents import ContentState
from store.model.digests import Digest
from store.model.limits import MIB, Limits
from store.registry.registry import Registry
from tests.support.registry_pushes import (
    APP,
    OTHER,
    push_blob,
)
from tests.support.small_disks import small_disk

if TYPE_CHECKING:
    from pathlib import Path


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


def refused(*_: object, **__: object) -> NoReturn:
    raise StorageFull("full")


def test_an_upload_that_fills_the_disk_is_gone_at_once(tmp_path: Path) -> None:
    with small_disk(tmp_path) as disk, Store.open(disk / "store", create=True) as store:
        registry = Registry(store)
        upload_id = registry.uploads.begin(APP)
        with registry.uploads.resume(APP, upload_id) as upload:
            upload.write(b"first")

        def send() -> None:
            with registry.uploads.resume(APP, upload_id) as upload:
                for _ in range(40):
                    upload.write(bytes(MIB))

        with pytest.raises(StorageFull):
            send()
        assert not list((store.root / "uploads").iterdir())
        assert free_bytes(disk) > 25 * MIB
        with pytest.raises(UploadNotFound):
            registry.uploads.offset(APP, upload_id)
        push_blob(registry, b"fits")


def test_a_body_that_cannot_fit_is_refused_before_it_arrives(tmp_path: Path) -> None:
    with small_disk(tmp_path) as disk, Store.open(disk / "store", create=True) as store:
        registry = Registry(store)
        upload_id = registry.uploads.begin(APP)
        with registry.uploads.resume(APP, upload_id) as upload:
            upload.admit(20 * MIB)
            with pytest.raises(StorageFull) as caught:
                upload.admit(40 * MIB)
        assert f"{40 * MIB} bytes" in caught.value.message
        with pytest.raises(UploadNotFound):
            registry.uploads.offset(APP, upload_id)


def test_a_blob_that_is_too_large_is_refused_before_it_arrives(store: Store) -> None:
    registry = Registry(store, limits=Limits(layer_bytes=10))
    upload_id = registry.uploads.begin(APP)
    with registry.uploads.resume(APP, upload_id) as upload, pytest.raises(TooLarge):
        upload.admit(11)
    assert not list((store.root / "uploads").iterdir())


def test_a_row_that_cannot_be_removed_belongs_to_no_upload(
    store: Store, registry: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    upload_id = registry.uploads.begin(APP)
    upload = registry.uploads.resume(APP, upload_id)
    with pytest.raises(StorageFull):
        upload.admit(2**39)
    monkeypatch.setattr(store, "write", refused)
    upload.close()
    monkeypatch.undo()
    assert not list((store.root / "uploads").iterdir())
    with pytest.raises(UploadNotFound):
        registry.uploads.offset(APP, upload_id)


@pytest.mark.parametrize("is_stored", [False, True])
def test_a_blob_whose_row_has_no_room_harms_no_stored_blob(
    store: Store, registry: Registry, monkeypatch: pytest.MonkeyPatch, *, is_stored: bool
) -> None:
    data = b"the same bytes"
    digest = Digest.of(data)
    if is_stored:
        push_blob(registry, data, OTHER)
    upload_id = registry.uploads.begin(APP)
    upload = registry.uploads.resume(APP, upload_id)
    upload.write(data)
    monkeypatch.setattr(uploads, "forget", refused)
    with pytest.raises(StorageFull):
        upload.finish(digest)
    monkeypatch.undo()
    upload.close()
    assert not list((store.root / "uploads").iterdir())
    assert [*store.blobs.digests()] == ([digest] if is_stored else [])
    assert list(store.fsck()) == []
    if is_stored:
        assert store.read_whole(digest) == data
    assert push_blob(registry, data) == digest


def test_an_offset_that_cannot_be_recorded_ends_the_upload(
    store: Store, registry: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    upload_id = registry.uploads.begin(APP)
    upload = registry.uploads.resume(APP, upload_id)
    upload.write(b"data")
    monkeypatch.setattr(store, "write", refused)
    with pytest.raises(StorageFull):
        upload.close()
    assert not list((store.root / "uploads").iterdir())


def busy(*_: object, **__: object) -> NoReturn:
    raise StoreBusy("busy")


@pytest.mark.parametrize("is_mistaken", [False, True])
def test_an_upload_that_cannot_be_cancelled_now_stays(
    registry: Registry, monkeypatch: pytest.MonkeyPatch, *, is_mistaken: bool
) -> None:
    """Another process is stuck while it holds the write lock."""
    upload_id = registry.uploads.begin(APP)
    with registry.uploads.resume(APP, upload_id) as upload:
        upload.write(b"some ")

    def cancel() -> None:
        if not is_mistaken:
            registry.uploads.cancel(APP, upload_id)
        with registry.uploads.resume(APP, upload_id) as upload:
            upload.finish(Digest.of(b"other"))

    with monkeypatch.context() as stuck:
        stuck.setattr(uploads, "forget", busy)
        with pytest.raises(StoreBusy):
            cancel()
    assert registry.uploads.offset(APP, upload_id) == 5
    with registry.uploads.resume(APP, upload_id) as upload:
        upload.write(b"bytes")
        upload.finish(Digest.of(b"some bytes"))


def refuse(*_given: object, **_options: object) -> None:
    raise OSError(errno.EROFS, os.strerror(errno.EROFS))


def test_a_disk_that_fails_for_good_is_named_once(
    store: Store, registry: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The file of a refused upload cannot be removed either; that is not the answer."""
    with monkeypatch.context() as broken, registry.uploads.once(APP) as upload:
        upload.write(b"data")
        broken.setattr(os, "fsync", refuse)
        broken.setattr(os, "unlink", refuse)
        with pytest.raises(Unavailable):
            upload.finish(Digest.of(b"data"))
        upload.close()
    (left,) = (store.root / "uploads").iterdir()
    os.utime(left, (0, 0))
    assert registry.uploads.remove_strays() == 1
    assert not list((store.root / "uploads").iterdir())
