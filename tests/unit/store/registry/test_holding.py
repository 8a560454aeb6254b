from __future__ import annotations

import gzip
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import Engine, event

from store import Store
from store.errors import ContentNotFound
from store.maintenance.reports import Kept, KeptReason
from store.model.contents import Codec
from store.model.digests import DiffID, Digest
from store.model.references import Repository
from store.registry.holding import note_activity
from store.registry.registry import Registry
from tests.conftest import NOW
from tests.support.damage import mark_damaged
from tests.support.images import A
from tests.support.registry_pushes import (
    APP,
    OTHER,
    push_blob,
    push_image,
)

if TYPE_CHECKING:
    from pathlib import Path


def test_a_mount_from_one_repository_asks_about_no_other(registry: Registry) -> None:
    digest = push_blob(registry, b"layer")
    asked = []

    def may_read(repository: Repository) -> bool:
        asked.append(repository)
        return True

    # APP holds the blob. The client may neither learn that, nor how many repositories hold it.
    elsewhere = Repository("docker.io", "library/elsewhere")
    assert not registry.mount(OTHER, digest, may_read, elsewhere)
    assert registry.mount(OTHER, digest, may_read, APP)
    assert set(asked) == {elsewhere, APP}
    assert not registry.mount(elsewhere, digest, lambda _source: False, APP)


def test_a_mount_needs_a_repository_that_the_client_may_read(registry: Registry) -> None:
    digest = push_blob(registry, b"mine")
    assert not registry.mount(OTHER, digest, lambda _source: False)
    with pytest.raises(ContentNotFound):
        registry.blob(OTHER, digest)
    assert registry.mount(OTHER, digest, lambda source: source == APP)
    assert registry.blob(OTHER, digest).size_bytes == 4
    assert not registry.mount(OTHER, Digest.of(b"nowhere"), lambda _source: True)


def test_blobs_without_a_manifest_have_a_day_of_grace(root: Path) -> None:
    now = NOW
    with Store.open(root, create=True, clock=lambda: now) as store:
        registry = Registry(store)
        asked, forgotten = push_blob(registry, b"asked for"), push_blob(registry, b"forgotten")
        now = NOW + timedelta(hours=23)
        assert store.collect().blobs == ()
        registry.renew(APP, asked)
        registry.renew(APP, Digest.of(b"not here"))
        now = NOW + timedelta(hours=25)
        assert store.collect().blobs == (forgotten,)
        assert registry.blob(APP, asked).size_bytes == 9
        now = NOW + timedelta(hours=48)
        assert store.collect().blobs == (asked,)


def test_stored_content_can_be_adopted_and_missing_content_is_left_out(
    store: Store, registry: Registry
) -> None:
    digest, damaged = push_blob(registry, b"mine"), push_blob(registry, b"damaged")
    mark_damaged(store, damaged)
    registry.adopt(OTHER, (digest, damaged, Digest.of(b"nowhere")))
    assert set(registry.holders(digest)) == {APP, OTHER}
    assert registry.holders(damaged) == ()
    assert registry.holders(Digest.of(b"nowhere")) == ()


def test_a_recorded_encoding_gives_the_layer_another_form(store: Store, registry: Registry) -> None:
    plain = push_blob(registry, A)
    packed = push_blob(registry, gzip.compress(A))
    registry.note_encodings({packed: DiffID(plain), Digest.of(b"nowhere"): DiffID(plain)}, "gzip")
    (encoding,) = store.sources((plain,))[plain].encodings
    assert (encoding.digest, encoding.codec) == (packed, Codec.GZIP)


def test_the_blobs_of_a_deleted_image_do_not_wait(store: Store, registry: Registry) -> None:
    _, digest = push_image(registry, (A, gzip.compress(A, mtime=0)))
    registry.delete_manifest(APP, digest)
    report = store.collect()
    assert len(report.blobs) == 2
    assert report.kept == ()


def test_a_client_that_looks_for_a_blob_of_a_deleted_image_can_still_push(root: Path) -> None:
    now = NOW
    blob = gzip.compress(A, mtime=0)
    with Store.open(root, create=True, clock=lambda: now) as store:
        registry = Registry(store)
        _, digest = push_image(registry, (A, blob))
        now += timedelta(seconds=1)
        assert registry.renew(APP, Digest.of(blob))
        registry.delete_manifest(APP, digest)
        assert Digest.of(blob) not in store.collect(end_grace=True).blobs
        push_image(registry, (A, blob))


def test_a_push_of_one_client_does_not_end_the_grace_of_another(root: Path) -> None:
    now = NOW
    blob = gzip.compress(A, mtime=0)
    with Store.open(root, create=True, clock=lambda: now) as store:
        registry = Registry(store)
        push_blob(registry, blob)
        # Another client pushes and deletes an image with the same blob, and this client goes on.
        _, digest = push_image(registry, (A, blob))
        now += timedelta(seconds=1)
        push_blob(registry, b"next layer")
        registry.delete_manifest(APP, digest)
        for end_grace in (False, True):
            assert store.collect(end_grace=end_grace).blobs == ()
        now += timedelta(minutes=6)
        assert len(store.collect().blobs) == 2
        assert store.collect(end_grace=True).blobs == (Digest.of(b"next layer"),)


def test_a_long_upload_is_a_push_in_progress(root: Path) -> None:
    now = NOW
    with Store.open(root, create=True, clock=lambda: now) as store:
        registry = Registry(store)
        first = push_blob(registry, b"first")
        with registry.uploads.once(APP) as upload:
            for _ in range(60):
                now += timedelta(minutes=1)
                upload.write(b"more")
                assert store.collect(end_grace=True).blobs == ()
        now += timedelta(minutes=6)
        assert store.collect(end_grace=True).blobs == (first,)


def test_the_beginning_of_an_upload_is_a_push_in_progress(root: Path) -> None:
    now = NOW
    with Store.open(root, create=True, clock=lambda: now) as store:
        registry = Registry(store)
        pushed = push_blob(registry, b"pushed an hour ago")
        now += timedelta(hours=1)
        registry.uploads.begin(APP)
        now += timedelta(minutes=4)
        store.collect(end_grace=True)
        assert registry.blob(APP, pushed)
        now += timedelta(minutes=2)
        store.collect(end_grace=True)
        with pytest.raises(ContentNotFound):
            registry.blob(APP, pushed)


def test_activity_in_a_repository_that_does_not_exist_yet_is_not_written(store: Store) -> None:
    commits: list[object] = []
    note = commits.append
    event.listen(Engine, "commit", note)
    try:
        note_activity(store, APP)
        assert not commits
        push_blob(Registry(store), b"blob")
        commits.clear()
        note_activity(store, APP)
        assert not commits
    finally:
        event.remove(Engine, "commit", note)


def test_a_blob_that_was_collected_meanwhile_is_not_renewed(registry: Registry) -> None:
    digest = push_blob(registry, b"gone")
    registry.delete_blob(APP, digest)
    assert not registry.renew(APP, digest)


def test_the_report_says_what_a_push_keeps_and_until_when(root: Path) -> None:
    now = NOW
    with Store.open(root, create=True, clock=lambda: now) as store:
        registry = Registry(store)
        push_blob(registry, b"loose")
        (kept,) = store.collect().kept
        until = NOW + timedelta(hours=24)
        assert kept == Kept(KeptReason.PUSHED, 1, 5, until=until, repository=str(APP))
        (kept,) = store.collect(end_grace=True).kept
        until = NOW + timedelta(minutes=5)
        assert kept == Kept(KeptReason.PUSHING, 1, 5, until=until, repository=str(APP))
        now = until + timedelta(seconds=1)
        report = store.collect(end_grace=True)
        assert (report.freed_bytes, report.kept) == (5, ())
