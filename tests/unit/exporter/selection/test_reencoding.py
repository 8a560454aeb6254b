from __future__ import annotations

import gzip as gzip_module
import io
import json
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import zstandard

from exporter.graph_save import GraphSave
from exporter.options import Format, Layers, SaveOptions
from exporter.selection.document_reader import DocumentReader
from exporter.selection.reencoding import (
    ORIGINAL,
    bytes_to_encode,
    layer_sources,
    reencode,
)
from exporter.selection.scopes import InRepositories
from store.model.digests import Digest
from store.model.references import Repository
from tests.support.images import A, B
from tests.support.layouts import Layout, gzip, zstd

if TYPE_CHECKING:
    from exporter.selection.graph import SavedGraph
    from store import Store
    from store.formats.image.manifests import Document
    from store.model.contents import Sources


def read(sources: Sources) -> bytes:
    assert sources.inline is not None
    return sources.inline


def graph_of(store: Store, layout: Layout, *names: str) -> SavedGraph:
    store.import_archive(io.BytesIO(layout.tar()))
    with store.read() as connection:
        return GraphSave.select(
            connection, names, SaveOptions(Format.OCI), DocumentReader(read)
        ).graph


def reencoded(store: Store, graph: SavedGraph, how: Layers, folder: Path) -> SavedGraph:
    with store.read() as connection:
        plain = layer_sources(graph, connection)
    with store.reader() as reader:
        return reencode(graph, how, plain, reader, folder)


def only_image(graph: SavedGraph) -> Document:
    (digest,) = graph.configs
    return graph.documents[digest]


@pytest.fixture
def image() -> Layout:
    layout = Layout()
    layout.root(layout.image(gzip(A), zstd(B)), "docker.io/library/app:1")
    return layout


def test_plain_layers_are_named_by_their_diff_ids(
    store: Store, image: Layout, tmp_path: Path
) -> None:
    graph = graph_of(store, image, "app:1")
    done = reencoded(store, graph, Layers.PLAIN, tmp_path)
    (config,) = done.configs.values()
    assert [link.digest for link in only_image(done).layers] == [
        diff.digest for diff in config.diff_ids
    ]
    assert done.roots[0].tags == graph.roots[0].tags
    assert done.made.keys() == {only_image(done).digest}


@pytest.mark.parametrize(
    ("how", "size_bytes"), [(Layers.PLAIN, 0), (Layers.GZIP, len(B)), (Layers.ZSTD, len(A))]
)
def test_only_layers_without_a_stored_encoding_are_compressed(
    store: Store, image: Layout, how: Layers, size_bytes: int, tmp_path: Path
) -> None:
    # Two images share the layers, which are compressed once.
    image.root(image.image(gzip(A), zstd(B), config={"Env": ["X=1"]}), "docker.io/library/app:2")
    graph = graph_of(store, image, "app:1", "app:2")
    with store.read() as connection:
        plain = layer_sources(graph, connection)
    assert bytes_to_encode(graph, how, plain) == size_bytes
    done = reencoded(store, graph, how, tmp_path)
    assert len(done.encoded) == (size_bytes > 0)


def test_a_changed_manifest_names_its_original(store: Store, image: Layout, tmp_path: Path) -> None:
    graph = graph_of(store, image, "app:1")
    done = only_image(reencoded(store, graph, Layers.PLAIN, tmp_path))
    assert json.loads(done.data)["annotations"][ORIGINAL] == str(graph.roots[0].digest)


@pytest.mark.parametrize("how", [Layers.GZIP, Layers.ZSTD])
def test_a_stored_encoding_is_used_and_another_is_made(
    store: Store, image: Layout, how: Layers, tmp_path: Path
) -> None:
    done = reencoded(store, graph_of(store, image, "app:1"), how, tmp_path)
    stored, plain = (gzip(A).data, B) if how is Layers.GZIP else (zstd(B).data, A)
    assert Digest.of(stored) in done.sources
    ((digest, (path, size)),) = (
        (digest, made) for digest, made in done.made.items() if isinstance(made[0], Path)
    )
    assert isinstance(path, Path)
    data = path.read_bytes()
    assert (Digest.of(data), len(data)) == (digest, size)
    decode = gzip_module.decompress if how is Layers.GZIP else zstandard.ZstdDecompressor()
    assert plain == (
        decode.decompressobj().decompress(data)
        if isinstance(decode, zstandard.ZstdDecompressor)
        else decode(data)
    )


def test_an_image_with_layers_in_the_encoding_stays_the_same(store: Store, tmp_path: Path) -> None:
    layout = Layout()
    layout.root(layout.image(gzip(A), gzip(B)), "docker.io/library/app:1")
    graph = graph_of(store, layout, "app:1")
    done = reencoded(store, graph, Layers.GZIP, tmp_path)
    assert [root.digest for root in done.roots] == [root.digest for root in graph.roots]
    assert dict(done.documents) == dict(graph.documents)
    assert done.made == {}


def test_an_index_lists_the_new_manifests_and_its_attestations_follow(
    store: Store, tmp_path: Path
) -> None:
    layout = Layout()
    image = layout.image(gzip(A))
    layout.root(layout.index(image, layout.attestation(image)), "docker.io/library/app:1")
    done = reencoded(store, graph_of(store, layout, "app:1"), Layers.PLAIN, tmp_path)
    index = json.loads(done.documents[done.roots[0].digest].data)
    new = str(only_image(done).digest)
    assert index["manifests"][0]["digest"] == new != image["digest"]
    assert index["manifests"][1]["annotations"]["vnd.docker.reference.digest"] == new


def test_layers_that_others_encoded_are_not_used_for_a_name(store: Store, image: Layout) -> None:
    """A gzip layer of another repository is neither sent nor told about."""
    graph = graph_of(store, image, "app:1")
    foreign = InRepositories((Repository.parse("elsewhere"),))
    with store.read() as connection:
        every, few = layer_sources(graph, connection), layer_sources(graph, connection, [foreign])
    assert every.keys() >= few.keys() >= {Digest.of(A), Digest.of(B)}
    assert any(not one.is_ours for one in every[Digest.of(A)].encodings)
    assert all(one.is_ours for sources in few.values() for one in sources.encodings)
