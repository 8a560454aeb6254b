from __future__ import annotations

import io
from typing import TYPE_CHECKING

import pytest

from store import errors
from store.formats.compression.settings import Compression
from store.model.digests import Digest
from store.model.limits import DEFAULT_LIMITS
from store.model.progress import Silent
from store.repair.archive_donor import open_archive
from store.repair.donors import Wanted
from tests.support.images import A, B, config, image
from tests.support.layouts import Layout, gzip

if TYPE_CHECKING:
    from store import Store
    from store.importing.workers import Pool
    from store.repair.archive_donor import ArchiveDonor
    from store.workspace.operations import Operation


def read(
    data: bytes, wanted: Wanted, store: Store, operation: Operation, pool: Pool
) -> ArchiveDonor:
    with open_archive(
        io.BytesIO(data),
        "backup.tar",
        wanted,
        store,
        operation=operation,
        pool=pool,
        compression=Compression(),
        limits=DEFAULT_LIMITS,
        progress=Silent(),
    ) as donor:
        return donor


def test_only_what_is_wanted_is_staged(store: Store, operation: Operation, pool: Pool) -> None:
    wanted = Wanted(frozenset({Digest.of(config(A, B))}), frozenset({Digest.of(B)}))
    donor = read(image(A, B, tags=("x:1",)).bytes(), wanted, store, operation, pool)
    assert donor.name == "backup.tar"
    found = donor.diff(Digest.of(B))
    assert found is not None
    assert (found.diff.digest, found.is_ours) == (Digest.of(B), True)
    assert donor.diff(Digest.of(A)) is None
    assert donor.document(Digest.of(config(A, B))) == config(A, B)
    assert donor.document(Digest.of(b"?")) is None


def test_a_compressed_layer_is_a_blob_and_a_diff(
    store: Store, operation: Operation, pool: Pool
) -> None:
    layout = Layout()
    manifest = layout.image(gzip(A), gzip(B))
    layout.root(manifest, "docker.io/team/app:1")
    blob = Digest.of(gzip(A).data)
    donor = read(layout.tar(), Wanted(frozenset({blob})), store, operation, pool)
    found = donor.blob(blob)
    assert found is not None
    assert found is donor.diff(Digest.of(A))
    assert donor.blob(Digest.of(gzip(B).data)) is None
    assert donor.document(Digest.parse(manifest["digest"])) == layout.blobs[manifest["digest"]]


def test_an_archive_that_cannot_be_read_is_an_error(
    store: Store, operation: Operation, pool: Pool
) -> None:
    with pytest.raises(errors.InvalidInput):
        read(b"no archive", Wanted(), store, operation, pool)
