from __future__ import annotations

import errno
import os
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest

from store import Store, errors
from store.blobs.directory import DirectoryBlobs
from store.blobs.open_file import OpenFile
from store.catalog import content
from store.catalog.in_progress import pushes
from store.db.schema import document
from store.files.os_errors import translate
from store.model.contents import ContentState
from store.model.digests import Digest
from store.registry.registry import Registry
from store.workspace.soundness import (
    is_kept_otherwise,
    lost,
    mark_lost,
    sound_files,
    touched,
    unsound,
)
from store.workspace.workspace import utc_now
from tests.support.images import A
from tests.support.registry_pushes import APP, push_blob
from tests.support.stored_images import put_image

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def store(tmp_path: Path) -> Store:
    """Return a store with the real clock: times of files are compared with times of rows."""
    return Store.open(tmp_path / "clocked", create=True, clock=utc_now)


@pytest.fixture
def digest(store: Store) -> Digest:
    return push_blob(Registry(store), b"data")


def state(store: Store, digest: Digest) -> ContentState:
    return store.sources((digest,))[digest].state


def touched_files(store: Store, digest: Digest) -> frozenset[Digest]:
    with store.read() as connection:
        return touched(connection, store.blobs, store.sources((digest,)).values())


def test_sound_content_is_not_read(
    store: Store, digest: Digest, monkeypatch: pytest.MonkeyPatch
) -> None:
    image_id = put_image(store, A, tags=("x:1",))
    monkeypatch.setattr(DirectoryBlobs, "open", None)
    assert unsound(store, (digest, Digest.of(A), image_id.digest, Digest.of(b"?"))) == frozenset()


def test_missing_files_and_wrong_sizes_are_unsound_and_not_marked(
    store: Store, digest: Digest
) -> None:
    put_image(store, A, tags=("x:1",))
    layer = Digest.of(A)
    (encoding,) = store.sources((layer,))[layer].encodings
    store.blobs.path(encoding.digest).unlink()
    store.blobs.path(digest).unlink()
    assert unsound(store, (digest, layer)) == {digest, layer}
    assert {state(store, one) for one in (digest, layer)} == {ContentState.PRESENT}


def test_a_changed_file_is_hashed_and_marked(store: Store, digest: Digest) -> None:
    store.blobs.path(digest).write_bytes(b"dat_")
    assert touched_files(store, digest) == {digest}
    assert unsound(store, (digest,)) == {digest}
    assert state(store, digest) is ContentState.DAMAGED
    assert unsound(store, (digest,)) == frozenset()  # not present, so it is not looked at


def test_a_copy_that_keeps_the_time_of_the_last_write_is_hashed(
    store: Store, digest: Digest
) -> None:
    path = store.blobs.path(digest)
    with store.write("test") as connection:
        content.note_published(connection, (digest,), datetime(2000, 1, 1, tzinfo=UTC))
    os.utime(path, (0, 0))
    assert touched_files(store, digest) == {digest}


def test_a_file_of_the_right_size_is_sound_until_it_is_changed(store: Store) -> None:
    registry = Registry(store)
    digests = [push_blob(registry, data) for data in (b"kept", b"changed", b"cut", b"gone")]
    kept, changed, cut, gone = digests
    store.blobs.path(changed).write_bytes(b"chang_d")
    store.blobs.path(cut).write_bytes(b"cu")
    store.blobs.path(gone).unlink()
    with store.read() as connection:
        held = pushes.known_content(connection, APP, digests)
    assert set(held) == set(digests)
    # The times of a file that was just written may equal those of its publication.
    os.utime(store.blobs.path(changed), (4e9, 4e9))
    sound = sound_files(store.blobs, held.values(), is_untouched=True)
    assert sound == {kept}
    assert sound_files(store.blobs, held.values(), is_untouched=False) == {kept, changed}
    no_file = [replace(held[kept], file_at=None)]
    assert sound_files(store.blobs, no_file, is_untouched=False) == frozenset()


def test_a_file_that_was_restored_is_hashed_once(
    store: Store, digest: Digest, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = store.blobs.path(digest)
    path.unlink()
    path.write_bytes(b"data")
    assert unsound(store, (digest,)) == frozenset()
    assert touched_files(store, digest) == frozenset()
    monkeypatch.setattr(DirectoryBlobs, "open", None)
    assert unsound(store, (digest,)) == frozenset()


def test_wrong_bytes_in_the_catalogue_are_unsound(store: Store) -> None:
    image_id = put_image(store, A, tags=("x:1",))
    with store.write("test") as connection:
        connection.execute(document.update().values(bytes=b"flipped"))
    assert unsound(store, (image_id.digest,)) == {image_id.digest}
    assert state(store, image_id.digest) is ContentState.DAMAGED


def test_a_file_that_cannot_be_read_is_an_error(
    store: Store, digest: Digest, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise translate(OSError(errno.EIO, "Input/output error"), "blob")

    store.blobs.path(digest).write_bytes(b"data")
    monkeypatch.setattr(OpenFile, "read", fail)
    with pytest.raises(errors.Unavailable, match="Input/output error"):
        unsound(store, (digest,))
    assert state(store, digest) is ContentState.PRESENT


def test_encoded_content_needs_no_file_of_its_own(store: Store, digest: Digest) -> None:
    put_image(store, A, tags=("x:1",))
    layer = Digest.of(A)
    with store.read() as connection:
        assert is_kept_otherwise(connection, layer)
        assert not is_kept_otherwise(connection, digest)
        assert not is_kept_otherwise(connection, Digest.of(b"unknown"))


def test_lost_content_has_no_form_left(store: Store, digest: Digest) -> None:
    other = push_blob(Registry(store), b"other")
    with store.read() as connection:
        assert lost(connection, store.blobs, (digest, other)) == frozenset()
        store.blobs.path(digest).unlink()
        os.truncate(store.blobs.path(other), 1)
        assert lost(connection, store.blobs, (digest, other)) == {digest, other}
    assert state(store, digest) is ContentState.PRESENT


def test_lost_content_is_marked_for_the_one_who_replaces_it(store: Store, digest: Digest) -> None:
    with store.write("test") as connection:
        assert mark_lost(connection, store.blobs, (digest,)) == frozenset()
    store.blobs.path(digest).unlink()
    with store.write("test") as connection:
        assert mark_lost(connection, store.blobs, (digest,)) == {digest}
    assert state(store, digest) is ContentState.DAMAGED
    with store.write("test") as connection:
        assert mark_lost(connection, store.blobs, (digest,)) == frozenset()
