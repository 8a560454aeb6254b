from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from exporter.options import SaveOptions
from exporter.planning import docker
from exporter.selection.docker_facts import DockerFacts
from store.formats.image.config import ImageConfig
from store.model.digests import Digest
from store.model.platforms import Platform
from tests.support.images import A, B, digest
from tests.support.layouts import Blob, Layout, foreign, gzip, plain, zstd
from tests.support.saved_graphs import document, entry, graph_of

if TYPE_CHECKING:
    from exporter.planning.plan import Plan
    from exporter.selection.graph import SavedGraph


def planned(
    graph: SavedGraph, machine: str = "linux/amd64", platforms: tuple[str, ...] = ()
) -> Plan:
    options = SaveOptions(
        machine=Platform.parse(machine), platforms=tuple(map(Platform.parse, platforms))
    )
    return docker.plan(graph, options, DockerFacts())


@pytest.mark.parametrize(
    ("machine", "platforms", "chosen"),
    [
        ("linux/amd64", (), 0),
        ("linux/arm64", (), 1),
        ("linux/arm/v7", (), 2),
        ("linux/amd64", ("linux/arm64",), 1),
        ("linux/amd64", ("linux/s390x", "linux/arm64"), 1),
        ("linux/s390x", (), 0),
    ],
)
def test_manifest_json_has_the_image_for_the_platform(
    machine: str, platforms: tuple[str, ...], chosen: int
) -> None:
    layout = Layout()
    images = [
        layout.image(gzip(one), platform=platform)
        for one, platform in ((A, "linux/amd64"), (B, "linux/arm64"), (A + B, "linux/arm/v6"))
    ]
    top = layout.index(*images, layout.attestation(images[0]))
    plan = planned(graph_of(layout, (top, ("app:1",))), machine, platforms)
    items = document(plan, "manifest.json")
    config = json.loads(layout.blobs[images[chosen]["digest"]])["config"]["digest"]
    assert [(item["Config"], item["RepoTags"]) for item in items] == [
        (f"blobs/sha256/{config[7:]}", ["app:1"])
    ]
    top_diff = json.loads(layout.blobs[config])["rootfs"]["diff_ids"][-1]
    assert document(plan, "repositories") == {"app": {"1": top_diff[7:]}}


def test_one_image_under_two_roots_is_listed_once_with_both_names() -> None:
    layout = Layout()
    image = layout.image(gzip(A))
    plan = planned(graph_of(layout, (image, ("app:1",)), (layout.index(image), ("app:2",))))
    assert [one["RepoTags"] for one in document(plan, "manifest.json")] == [["app:1", "app:2"]]


@pytest.mark.parametrize(("blob", "said"), [(gzip(A), False), (zstd(A), True)])
def test_a_note_names_the_docker_version_that_zstd_layers_need(blob: Blob, said: bool) -> None:
    layout = Layout()
    notes = planned(graph_of(layout, (layout.image(blob), ("app:1",)))).notes
    assert any("before version 23" in note for note in notes) is said


def test_only_images_with_a_generated_manifest_have_v1_documents() -> None:
    layout = Layout()
    image = layout.image(A)
    graph = graph_of(layout, (image, ("app:1",)))
    with_manifest = planned(graph)
    own = docker.plan(graph, SaveOptions(), DockerFacts(frozenset({Digest.parse(image["digest"])})))
    more = {one.path for one in own.entries} - {one.path for one in with_manifest.entries}
    assert len(more) == 1
    assert document(own, more.pop())["id"]


def test_files_of_a_generated_manifest_have_the_time_of_their_image() -> None:
    layout = Layout()
    image = layout.image(A, config={"created": "2020-02-29T12:34:56Z"})
    graph = graph_of(layout, (image, ("app:1",)))
    generated = DockerFacts(frozenset({Digest.parse(image["digest"])}))
    dated = docker.plan(graph, SaveOptions(), generated)
    config = graph.configs[Digest.parse(image["digest"])].image_id.digest
    path = f"blobs/sha256/{config.hex}"
    assert entry(dated, path).mtime_s == entry(dated, "blobs/").mtime_s == 1582979696
    assert entry(dated, "blobs/sha256/").mtime_s == 0
    assert entry(planned(graph), path).mtime_s == entry(planned(graph), "blobs/").mtime_s == 0


def test_a_parent_is_named_only_if_it_is_in_the_archive() -> None:
    layout = Layout()
    base, top = layout.image(A), layout.image(A, B)
    ids = [
        ImageConfig.parse(
            layout.blobs[json.loads(layout.blobs[one["digest"]])["config"]["digest"]]
        ).image_id
        for one in (base, top)
    ]
    facts = DockerFacts(parents={ids[1]: ids[0]})
    both = docker.plan(graph_of(layout, (base, ("a:1",)), (top, ("a:2",))), SaveOptions(), facts)
    assert [item.get("Parent") for item in document(both, "manifest.json")] == [None, str(ids[0])]
    alone = docker.plan(graph_of(layout, (top, ("a:2",))), SaveOptions(), facts)
    assert "Parent" not in document(alone, "manifest.json")[0]


def test_the_descriptor_of_a_foreign_layer_replaces_the_made_one() -> None:
    layout = Layout()
    graph = graph_of(layout, (layout.image(A), ("app:1",)))
    (config,) = graph.configs.values()
    diff = config.diff_ids[0].digest
    facts = DockerFacts(foreign={config.image_id: {diff: b'{"urls":["https://example.org/a"]}'}})
    (item,) = document(docker.plan(graph, SaveOptions(), facts), "manifest.json")
    assert item["LayerSources"] == {str(diff): {"urls": ["https://example.org/a"]}}


def test_the_addresses_in_a_manifest_are_listed_with_or_without_a_record_of_them() -> None:
    """A push does not record the addresses of a layer whose bytes it brings; an import does."""
    layout = Layout()
    graph = graph_of(layout, (layout.image(foreign(plain(A), "https://example.org/a")), ("app:1",)))
    (config,) = graph.configs.values()
    diff = config.diff_ids[0].digest
    recorded = DockerFacts(foreign={config.image_id: {diff: b'{"urls":["https://b.example"]}'}})
    for facts in (DockerFacts(), recorded):
        (item,) = document(docker.plan(graph, SaveOptions(), facts), "manifest.json")
        assert item["LayerSources"][str(diff)]["urls"] == ["https://example.org/a"]


def test_a_layer_that_is_listed_again_without_its_addresses_keeps_them() -> None:
    layout = Layout()
    layers = (plain(A), foreign(plain(A), "https://example.org/a"), plain(A))
    graph = graph_of(layout, (layout.image(*layers), ("app:1",)))
    (item,) = document(docker.plan(graph, SaveOptions(), DockerFacts()), "manifest.json")
    assert item["LayerSources"][digest(A)]["urls"] == ["https://example.org/a"]
