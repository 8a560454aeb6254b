from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from store import Store, errors
from store.formats.compression.settings import Compression
from store.model.digests import Digest
from store.model.limits import DEFAULT_LIMITS
from store.model.progress import Silent
from store.repair.store_donor import is_store, open_store
from tests.support.damaged_stores import spoil
from tests.support.images import A, B, config
from tests.support.stored_images import put_image

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from store.importing.workers import Pool
    from store.repair.store_donor import StoreDonor
    from store.workspace.operations import Operation


@pytest.fixture
def other(tmp_path: Path) -> Iterator[Store]:
    with Store.open(tmp_path / "other", create=True) as opened:
        put_image(opened, A, B, tags=("x:1",))
        yield opened


@pytest.fixture
def donor(other: Store, store: Store, operation: Operation, pool: Pool) -> Iterator[StoreDonor]:
    with open_store(
        other.root,
        "other",
        store,
        operation=operation,
        pool=pool,
        compression=Compression(),
        limits=DEFAULT_LIMITS,
        progress=Silent(),
    ) as opened:
        yield opened


def test_the_other_store_gives_documents_blobs_and_layers(other: Store, donor: StoreDonor) -> None:
    assert donor.document(Digest.of(config(A, B))) == config(A, B)
    assert donor.document(Digest.of(A)) is None
    layer = donor.diff(Digest.of(A))
    assert layer is not None
    assert layer.diff.digest == Digest.of(A)
    for digest in map(other.blobs.digest, other.blobs.locations()):
        blob = donor.blob(digest)
        assert blob is not None
        assert blob.stored.digest == digest
    assert donor.blob(Digest.of(A)) is None
    assert donor.blob(Digest.of(b"?")) is donor.diff(Digest.of(b"?")) is None
    assert donor.document(Digest.of(b"?")) is None


def test_content_that_is_damaged_there_as_well_is_not_given(
    other: Store, donor: StoreDonor
) -> None:
    for digest in map(other.blobs.digest, other.blobs.locations()):
        other.blobs.path(digest).write_bytes(b"rot")
        assert donor.blob(digest) is None
    assert donor.diff(Digest.of(A)) is None
    spoil(other, Digest.of(config(A, B)))
    assert donor.document(Digest.of(config(A, B))) is None


def test_a_store_is_recognised_and_is_no_source_of_itself(
    other: Store, operation: Operation, pool: Pool, tmp_path: Path
) -> None:
    assert is_store(other.root)
    assert not is_store(tmp_path)
    assert not is_store(other.root / "store.db")
    with (
        pytest.raises(errors.InvalidInput, match="is to be repaired"),
        open_store(
            other.root / ".." / "other",
            "other",
            other,
            operation=operation,
            pool=pool,
            compression=Compression(),
            limits=DEFAULT_LIMITS,
            progress=Silent(),
        ),
    ):
        pass
