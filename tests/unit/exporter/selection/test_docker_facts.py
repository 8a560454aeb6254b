from __future__ import annotations

import io
from typing import TYPE_CHECKING

import exporter
from exporter.options import Format, SaveOptions
from exporter.selection.docker_facts import docker_facts, generated_manifests
from store.model.digests import Digest, ImageID
from tests.support.images import A, Archive, B, config, image
from tests.support.layouts import Layout, foreign, gzip, plain
from tests.support.saved_graphs import graph_of

if TYPE_CHECKING:
    from exporter.selection.docker_facts import DockerFacts
    from store import Store


def facts_of(store: Store, *names: str) -> DockerFacts:
    with exporter.open_save(store, names, options=SaveOptions(Format.DOCKER)) as export:
        assert export.graph is not None
        with store.read() as connection:
            return docker_facts(connection, export.graph)


def test_a_manifest_made_for_an_image_without_one_is_generated(store: Store) -> None:
    store.import_archive(io.BytesIO(image(A, tags=("app:1",)).bytes()))
    assert facts_of(store, "app:1").generated == {store.inspect("app:1").manifests[0].digest}


def test_an_imported_manifest_is_not_generated() -> None:
    layout = Layout()
    graph = graph_of(layout, (layout.image(gzip(A)), ()), (layout.artifact(b"thing"), ()))
    assert generated_manifests(graph) == frozenset()


def test_the_parent_of_an_image_is_known(store: Store) -> None:
    archive = Archive().file("a", A).file("b", B).file("base", config(A)).file("top", config(A, B))
    archive.manifest(
        {"Config": "base", "RepoTags": ["base:1"], "Layers": ["a"]},
        {
            "Config": "top",
            "RepoTags": ["top:1"],
            "Layers": ["a", "b"],
            "Parent": str(ImageID.of(config(A))),
        },
    )
    store.import_archive(io.BytesIO(archive.bytes()))
    assert facts_of(store, "top:1", "base:1").parents == {
        ImageID.of(config(A, B)): ImageID.of(config(A))
    }


def test_descriptors_of_foreign_layers_are_found_by_diff(store: Store) -> None:
    layout = Layout()
    layer = foreign(plain(B), "https://example.org/b")
    layout.root(layout.image(A, layer), "docker.io/library/app:1")
    store.import_archive(io.BytesIO(layout.tar()))
    (found,) = facts_of(store, "app:1").foreign.values()
    assert set(found) == {Digest.of(B)}
    assert b"https://example.org/b" in found[Digest.of(B)]
