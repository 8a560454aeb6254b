from __future__ import annotations

import io
from typing import TYPE_CHECKING

import pytest

from exporter.legacy_save import LegacySave
from exporter.options import Format, SaveOptions
from exporter.selection.document_reader import DocumentReader
from store import ImageID, errors
from store.model.digests import Digest
from tests.support.images import A, B, config, image

if TYPE_CHECKING:
    from store import Store
    from store.model.contents import Sources


def read(sources: Sources) -> bytes:
    assert sources.inline is not None
    return sources.inline


def test_a_legacy_save_decodes_all_its_images_and_needs_their_layers(store: Store) -> None:
    store.import_archive(io.BytesIO(image(A, B, tags=("app:1",)).bytes()))
    with store.read() as connection:
        save = LegacySave.select(connection, ["app:1"], SaveOptions(), DocumentReader(read))
        planned = save.plan(connection, DocumentReader(read))
    image_id = ImageID.of(config(A, B))
    assert len(save.decoded_manifests()) == 1
    assert save.decoded_images() == []
    assert {Digest.of(A), Digest.of(B), image_id.digest} <= save.needs()
    assert (planned.format, planned.graph) == (Format.LEGACY, None)
    assert (planned.images, planned.targets) == ((image_id,), (str(image_id),))


def test_an_image_named_by_its_id_is_decoded_without_a_manifest(store: Store) -> None:
    store.import_archive(io.BytesIO(image(A, tags=("app:1",)).bytes()))
    image_id = ImageID.of(config(A))
    with store.read() as connection:
        save = LegacySave.select(connection, [str(image_id)], SaveOptions(), DocumentReader(read))
    assert (save.decoded_manifests(), save.decoded_images()) == ([], [image_id])


def test_an_image_without_layers_has_no_legacy_plan(store: Store) -> None:
    store.import_archive(io.BytesIO(image(tags=("empty:1",)).bytes()))
    with store.read() as connection:
        save = LegacySave.select(connection, ["empty:1"], SaveOptions(), DocumentReader(read))
        with pytest.raises(errors.NothingToExport):
            save.plan(connection, DocumentReader(read))
