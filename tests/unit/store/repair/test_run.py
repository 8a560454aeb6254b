from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from store import errors
from store.model.digests import Digest
from store.model.progress import Silent
from store.registry.registry import Registry
from store.repair.run import Repair, RepairOptions, Source, errors_left
from tests.support.damage import mark_damaged
from tests.support.images import A, B, config, image
from tests.support.registry_pushes import push_image, squeezed
from tests.support.stored_images import put_image

if TYPE_CHECKING:
    from pathlib import Path

    from store import Store


def test_a_sound_store_needs_no_source(store: Store, tmp_path: Path) -> None:
    put_image(store, A, tags=("x:1",))
    options = RepairOptions((Source("missing", tmp_path / "missing"),))
    repair = Repair(store, options, Silent())
    assert list(repair.run()) == []
    assert errors_left(repair.report) == []


def test_a_source_that_does_not_exist_is_an_error(store: Store, tmp_path: Path) -> None:
    put_image(store, A, tags=("x:1",))
    mark_damaged(store, Digest.of(config(A)))
    store.blobs.path(next(map(store.blobs.digest, store.blobs.locations()))).unlink()
    options = RepairOptions((Source("missing", tmp_path / "missing"),))
    with pytest.raises(errors.NotFound, match="no such file or folder"):
        list(Repair(store, options, Silent()).run())


def test_the_lost_file_of_a_document_in_the_catalogue_is_forgotten(store: Store) -> None:
    registry = Registry(store)
    push_image(registry, (A, squeezed(A)))
    digest = Digest.of(config(A))
    assert store.sources((digest,))[digest].in_file
    store.blobs.path(digest).unlink()
    repair = Repair(store, RepairOptions(), Silent())
    list(repair.run())
    assert repair.report.tidied == 1
    assert not store.sources((digest,))[digest].in_file
    assert store.read_whole(digest) == config(A)


def test_a_stream_is_a_source(store: Store) -> None:
    import io

    put_image(store, A, B, tags=("x:1",))
    for digest in list(map(store.blobs.digest, store.blobs.locations())):
        store.blobs.path(digest).unlink()
    archive = io.BytesIO(image(A, B, tags=("other:1",)).bytes())
    repair = Repair(store, RepairOptions((Source("-", archive),)), Silent())
    list(repair.run())
    assert {one.digest for one in repair.report.restored} == {Digest.of(A), Digest.of(B)}
    assert repair.report.left == []
    assert [str(one) for one in store.names("other", 9)] == []
