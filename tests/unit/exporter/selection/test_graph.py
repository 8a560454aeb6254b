from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any

import pytest

from exporter.options import Format, SaveOptions
from exporter.selection.document_reader import DocumentReader
from exporter.selection.graph import SavedGraph, load
from exporter.selection.roots import resolve_roots
from store import Store, errors
from store.model.digests import Digest
from store.model.platforms import Platform
from tests.support.images import A, B
from tests.support.layouts import Layout, foreign, gzip, plain

if TYPE_CHECKING:
    from store.model.contents import Sources


def read(sources: Sources) -> bytes:
    assert sources.inline is not None
    return sources.inline


def loaded(store: Store, layout: Layout, *names: str, **options: Any) -> SavedGraph:  # noqa: ANN401
    store.import_archive(io.BytesIO(layout.tar()))
    with store.read() as connection:
        reader = DocumentReader(read)
        roots = resolve_roots(connection, names, reader)
        return load(connection, roots, SaveOptions(Format.OCI, **options), reader)


def test_a_graph_has_all_content_below_its_roots(store: Store) -> None:
    layout = Layout()
    top = layout.index(layout.image(gzip(A)), layout.image(B, platform="linux/arm64"))
    layout.root(top, "docker.io/library/app:1")
    graph = loaded(store, layout, "app:1")
    assert {str(digest) for digest in graph.sources} == set(layout.blobs)
    assert list(graph.documents)[-1] == Digest.parse(top["digest"])
    assert len(graph.image_ids()) == len(graph.configs) == 2
    assert {Digest.parse(one) for one in layout.blobs} <= graph.needs()


def test_one_manifest_in_two_indexes_is_one_root_with_both_tags(store: Store) -> None:
    layout = Layout()
    image = layout.image(A)
    other = layout.image(B, platform="linux/arm64")
    layout.root(layout.index(image, other), "docker.io/library/app:1")
    layout.root(layout.index(image), "docker.io/library/app:2")
    platforms = (Platform.parse("linux/amd64"),)
    (root,) = loaded(store, layout, "app:1", "app:2", platforms=platforms).roots
    assert [tag.familiar for tag in root.tags] == ["app:1", "app:2"]


def test_an_index_with_an_absent_image_is_saved_only_sparse(store: Store) -> None:
    layout = Layout()
    absent = layout.absent("linux/arm64")
    layout.root(layout.index(layout.image(A), absent), "docker.io/library/app:1")
    with pytest.raises(errors.IncompleteImage) as caught:
        loaded(store, layout, "app:1")
    (missing,) = caught.value.missing
    assert absent["digest"] in missing
    graph = loaded(store, layout, "app:1", sparse=True)
    assert Digest.parse(absent["digest"]) not in graph.needs()


def test_a_foreign_layer_is_left_out_with_a_note(store: Store) -> None:
    layout = Layout()
    layer = foreign(plain(B), "https://example.org/b")
    layout.root(layout.image(A, layer), "docker.io/library/app:1")
    graph = loaded(store, layout, "app:1")
    (note,) = graph.notes
    assert str(Digest.of(B)) in note
    assert "https://example.org/b" in note
    assert Digest.of(B) not in graph.sources
