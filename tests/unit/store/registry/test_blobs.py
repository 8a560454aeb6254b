from __future__ import annotations

import gzip
import os
from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from store.blobs.memory import MemoryBlobs
from store.errors import ContentNotFound
from store.formats.distribution.names import BY_ID
from store.model.contents import ContentState
from store.model.digests import DiffID, Digest
from store.model.references import Repository
from store.registry.blobs import ServedBlobs
from store.registry.registry import Registry

if TYPE_CHECKING:
    from store import Store
    from store.registry.blobs import ServedBlob

APP, OTHER = Repository("docker.io", "team/app"), Repository("docker.io", "team/other")
DATA = b"the bytes of a blob"
DIGEST = Digest.of(DATA)


@pytest.fixture
def damaged() -> list[Digest]:
    return []


@pytest.fixture
def blobs(store: Store, damaged: list[Digest]) -> ServedBlobs:
    push(store, DATA)
    return ServedBlobs(store, damaged.append)


def push(store: Store, data: bytes) -> None:
    with Registry(store).uploads.once(APP) as upload:
        upload.write(data)
        upload.finish(Digest.of(data))


def content_of(blob: ServedBlob) -> bytes:
    with blob, closing(blob.blocks(whole=True)) as blocks:
        found = b""
        while len(found) < blocks.size_bytes:
            found += blocks.read_into(len(found), bytearray(100))
        return found


def test_a_blob_in_a_file_of_its_own_is_served_from_the_file(blobs: ServedBlobs) -> None:
    with blobs.open(APP, DIGEST) as blob:
        assert (blob.digest, blob.size_bytes) == (DIGEST, len(DATA))
        assert blob.file is not None
        assert blob.file.read() == DATA
    assert content_of(blobs.open(APP, DIGEST)) == DATA


def test_the_file_is_closed_with_the_blob(blobs: ServedBlobs) -> None:
    with blobs.open(APP, DIGEST) as blob:
        file = blob.file
    assert file is not None
    assert file.closed


def test_a_blob_that_was_found_is_opened_without_another_statement(
    store: Store, blobs: ServedBlobs, monkeypatch: pytest.MonkeyPatch
) -> None:
    likely = blobs.find(APP, DIGEST)
    with monkeypatch.context() as context:
        context.setattr(store, "read", lambda: pytest.fail("a statement was sent"))
        blob = blobs.open(APP, DIGEST, likely)
    with blob:
        assert blob.file is not None
        assert blob.file.read() == DATA


@pytest.mark.parametrize("ask", ["open", "find"])
def test_a_repository_serves_only_what_it_holds(blobs: ServedBlobs, ask: str) -> None:
    for repository, digest in ((OTHER, DIGEST), (APP, Digest.of(b"another"))):
        with pytest.raises(ContentNotFound) as caught:
            getattr(blobs, ask)(repository, digest)
        assert caught.value.digest == digest


def test_images_without_a_name_need_more_than_one_look_up(blobs: ServedBlobs) -> None:
    assert blobs.find(BY_ID, DIGEST) is None
    with pytest.raises(ContentNotFound):
        blobs.open(BY_ID, DIGEST)


def test_a_file_that_was_cut_short_is_reported_once_and_not_held(
    store: Store, blobs: ServedBlobs, damaged: list[Digest]
) -> None:
    os.truncate(store.blobs.path(DIGEST), 4)
    for _ in range(2):
        with pytest.raises(ContentNotFound):
            blobs.open(APP, DIGEST, blobs.find(APP, DIGEST))
    assert damaged == [DIGEST]


def test_a_missing_file_is_not_held_until_it_is_back(
    store: Store, blobs: ServedBlobs, damaged: list[Digest]
) -> None:
    for count in (1, 2):
        store.blobs.path(DIGEST).unlink()
        for _ in range(2):
            with pytest.raises(ContentNotFound):
                blobs.open(APP, DIGEST)
        assert damaged == count * [DIGEST]
        assert store.sources((DIGEST,))[DIGEST].state is ContentState.PRESENT
        store.blobs.path(DIGEST).write_bytes(DATA)
        assert content_of(blobs.open(APP, DIGEST)) == DATA


def test_another_form_takes_the_place_of_a_missing_file(store: Store, blobs: ServedBlobs) -> None:
    packed = gzip.compress(DATA, mtime=0)
    push(store, packed)
    Registry(store).note_encodings({Digest.of(packed): DiffID(DIGEST)}, "gzip")
    store.blobs.path(DIGEST).unlink()
    for _ in range(2):
        blob = blobs.open(APP, DIGEST)
        assert blob.file is None
        assert content_of(blob) == DATA


def test_a_store_without_files_serves_blocks(store: Store, blobs: ServedBlobs) -> None:
    store.blobs = MemoryBlobs({DIGEST: DATA})  # type: ignore[assignment]  # any engine will do
    blob = blobs.open(APP, DIGEST)
    assert blob.file is None
    assert content_of(blob) == DATA
    found = blobs.open(APP, DIGEST, blobs.find(APP, DIGEST))
    assert found.file is None
    assert content_of(found) == DATA
