"""The placement of staged files and their rows in one transaction."""

from __future__ import annotations

import io
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from store.catalog import content
from store.errors import ContentMissing, DigestMismatch
from store.formats.archives.claims import ArchiveClaim, Graph
from store.formats.image.config import ImageConfig
from store.formats.image.manifests import Document
from store.importing.archive import ReadArchive
from store.importing.placement import Placement
from store.model.digests import DiffID, Digest
from store.model.limits import DEFAULT_LIMITS
from tests.conftest import NOW
from tests.support.images import A, B, config, image
from tests.support.layouts import MANIFEST, Layout

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sqlalchemy import Connection

    from store import Store
    from store.importing.staging import Stager
    from store.importing.workers import Pool
    from store.workspace.operations import Operation

LIMITS = replace(DEFAULT_LIMITS, inline_bytes=64)


@pytest.fixture
def connection(store: Store, operation: Operation) -> Iterator[Connection]:
    with store.write(operation.id) as opened:
        yield opened


def placement(store: Store, connection: Connection, operation: Operation) -> Placement:
    return Placement(connection, store.blobs, operation, limits=LIMITS, now=NOW)


def staged(stager: Stager, *layers: bytes) -> ReadArchive:
    archive = ReadArchive(ArchiveClaim(Digest.of(b""), ()))
    for data in layers:
        layer = stager.layer(iter((data,)), "layer", lambda _size: None)
        archive.layers[DiffID(layer.diff.digest)] = layer
    return archive


def test_a_file_that_was_published_meanwhile_stays_in_staging(
    store: Store, operation: Operation, stager: Stager, pool: Pool
) -> None:
    archive = staged(stager, A, B)
    pool.durable()
    store.import_archive(io.BytesIO(image(A).bytes()))
    with store.write(operation.id) as connection:
        placed = placement(store, connection, operation)
        placed.move_files(archive)
    assert placed.new_layers == 1
    assert archive.layers[DiffID(Digest.of(A))].path.exists()
    assert not archive.layers[DiffID(Digest.of(B))].path.exists()


def test_a_diff_that_left_the_store_ends_the_import(
    store: Store, connection: Connection, operation: Operation
) -> None:
    with pytest.raises(ContentMissing) as caught:
        placement(store, connection, operation).find_diffs([DiffID(Digest.of(A))], {})
    assert caught.value.digest == Digest.of(A)


def test_large_documents_are_blobs_and_small_ones_inline(
    store: Store, connection: Connection, operation: Operation
) -> None:
    small, large = b"s" * 64, b"l" * 65
    documents = {Digest.of(data): data for data in (small, large)}
    placed = placement(store, connection, operation)
    assert placed.put_documents(documents) == placed.put_documents(documents)
    found = content.sources(connection, documents)
    assert (found[Digest.of(small)].inline, found[Digest.of(small)].in_file) == (small, False)
    assert (found[Digest.of(large)].inline, found[Digest.of(large)].in_file) == (None, True)


def test_an_image_and_its_own_manifest_are_new_once(
    store: Store, operation: Operation, stager: Stager, pool: Pool
) -> None:
    archive = staged(stager, A)
    pool.durable()
    parsed = ImageConfig.parse(config(A), DEFAULT_LIMITS)
    keys = []
    for _ in range(2):
        with store.write(operation.id) as connection:
            placed = placement(store, connection, operation)
            placed.move_files(archive)
            placed.find_diffs(parsed.diff_ids, {})
            images = placed.add_images([parsed])
            keys.append((images, placed.add_own_manifests(images)))
            news = (placed.new_images, placed.changed)
    assert keys[0] == keys[1]
    assert news == (0, False)


def test_a_descriptor_with_another_size_than_the_content_is_refused(
    store: Store, connection: Connection, operation: Operation
) -> None:
    layout = Layout()
    artifact = layout.artifact(b"blob")
    data = layout.blobs[artifact["digest"]]
    wrong = data.replace(b'"size":4', b'"size":5')
    assert wrong != data
    content.put_blob(connection, Digest.of(b"blob"), 4, NOW)
    document = Document.parse(wrong, media_type=MANIFEST)
    with pytest.raises(DigestMismatch) as caught:
        placement(store, connection, operation).add_documents(
            Graph(documents={document.digest: document})
        )
    assert (caught.value.want, caught.value.got) == (5, 4)
