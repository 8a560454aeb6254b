from __future__ import annotations

import io
from typing import TYPE_CHECKING

import pytest

from exporter.graph_save import GraphSave
from exporter.options import Format, Layers, SaveOptions
from exporter.selection.document_reader import DocumentReader
from store.model.digests import Digest
from tests.support.images import A
from tests.support.layouts import Layout, gzip

if TYPE_CHECKING:
    from pathlib import Path

    from store import Store
    from store.model.contents import Sources


def read(sources: Sources) -> bytes:
    assert sources.inline is not None
    return sources.inline


def selected(store: Store, name: str, options: SaveOptions) -> GraphSave:
    with store.read() as connection:
        return GraphSave.select(connection, [name], options, DocumentReader(read))


@pytest.fixture
def layout(store: Store) -> Layout:
    layout = Layout()
    layout.root(layout.image(gzip(A)), "docker.io/library/app:1")
    layout.root(layout.artifact(b"thing"), "docker.io/library/thing:1")
    store.import_archive(io.BytesIO(layout.tar()))
    return layout


def test_stored_layers_are_saved_without_decoding(store: Store, layout: Layout) -> None:
    save = selected(store, "app:1", SaveOptions(Format.OCI))
    assert (save.decoded_manifests(), save.decoded_images()) == ([], [])
    assert Digest.of(gzip(A).data) in save.needs()
    assert str(save.graph.roots[0].digest) == layout.roots[0]["digest"]


def test_layers_to_encode_are_decoded_and_leased(store: Store, layout: Layout) -> None:
    save = selected(store, "app:1", SaveOptions(Format.OCI, layers=Layers.ZSTD))
    assert save.decoded_manifests() == [save.graph.roots[0].digest]
    assert save.decoded_images() == []
    assert Digest.of(A) in save.needs()
    assert len(layout.roots) == 2


def test_a_save_without_encoding_stays_the_same(
    store: Store, layout: Layout, tmp_path: Path
) -> None:
    save = selected(store, "app:1", SaveOptions(Format.OCI))
    with store.reader() as reader:
        assert save.encoded(reader, tmp_path) is save
    assert layout.roots


@pytest.mark.parametrize("format_", [Format.DOCKER, Format.OCI])
def test_events_name_the_image_id_or_the_digest_of_an_artifact(
    store: Store, layout: Layout, format_: Format
) -> None:
    image = selected(store, "app:1", SaveOptions(format_))
    artifact = selected(store, "thing:1", SaveOptions(format_))
    with store.read() as connection:
        (image_id,) = image.plan(connection, DocumentReader(read)).images
        assert image.plan(connection, DocumentReader(read)).targets == (str(image_id),)
        planned = artifact.plan(connection, DocumentReader(read))
    assert planned.images == ()
    assert planned.targets == (layout.roots[1]["digest"],)
