"""The planners of docker and oci archives are functions of a graph: no store, no disk."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from exporter.options import SaveOptions
from exporter.planning import docker, oci
from exporter.planning.plan import EntryType
from exporter.selection.docker_facts import DockerFacts
from exporter.selection.graph import SavedGraph
from exporter.selection.referrers import tag_names
from exporter.selection.roots import SavedRoot
from store.formats.image.config import ImageConfig
from store.formats.image.manifests import Document
from store.model.contents import ContentState, Sources
from store.model.digests import Digest
from store.model.platforms import Platform
from store.model.references import Reference
from tests.support.images import A, B
from tests.support.layouts import Blob, Descriptor, Layout, gzip, zstd

if TYPE_CHECKING:
    from exporter.planning.plan import Entry, Plan


def graph_of(
    layout: Layout,
    *roots: tuple[Descriptor, tuple[str, ...]],
    made: dict[Digest, tuple[bytes, int]] | None = None,
) -> SavedGraph:
    documents: dict[Digest, Document] = {}
    configs: dict[Digest, ImageConfig] = {}
    sources: dict[Digest, Sources] = {}
    for name, data in layout.blobs.items():
        digest = Digest.parse(name)
        sources[digest] = Sources(
            digest, len(data), ContentState.PRESENT, data, in_file=False, encodings=()
        )
        if b'"schemaVersion"' in data:
            document = documents[digest] = Document.parse(data, digest=digest)
            if document.config is not None and document.claims_image:
                configs[digest] = ImageConfig.parse(
                    layout.blobs[str(document.config.digest)], digest=document.config.digest
                )
    saved = tuple(
        SavedRoot(Digest.parse(one["digest"]), tuple(Reference.parse(name) for name in names))
        for one, names in roots
    )
    return SavedGraph(saved, documents, configs, sources, made=made or {})


def entry(plan: Plan, path: str) -> Entry:
    (found,) = (one for one in plan.entries if one.path == path)
    return found


def document(plan: Plan, path: str) -> Any:  # noqa: ANN401 - JSON
    source = entry(plan, path).source
    assert isinstance(source, bytes)
    return json.loads(source)


def planned(
    graph: SavedGraph, machine: str = "linux/amd64", platforms: tuple[str, ...] = ()
) -> Plan:
    options = SaveOptions(
        machine=Platform.parse(machine), platforms=tuple(map(Platform.parse, platforms))
    )
    return docker.plan(graph, options, DockerFacts())


def test_entries_are_folders_then_blobs_then_files() -> None:
    layout = Layout()
    graph = graph_of(
        layout, (layout.image(gzip(A), algorithm="sha512"), ("app:1",)), (layout.image(B), ())
    )
    plan = oci.plan(graph)
    paths = [one.path for one in plan.entries]
    folders = [one.path for one in plan.entries if one.type is EntryType.DIRECTORY]
    assert folders == ["blobs/", "blobs/sha256/", "blobs/sha512/"]
    assert paths[-2:] == ["index.json", "oci-layout"]
    assert paths[:-2] == sorted(paths[:-2])
    assert {
        path.removeprefix("blobs/").replace("/", ":") for path in paths[:-2] if path not in folders
    } == set(layout.blobs)
    assert plan.size_bytes == 1024 + sum(one.archived_bytes for one in plan.entries)
    assert {one.mtime_s for one in plan.entries} == {0}
    assert plan.owner == ""


def test_what_was_made_for_the_archive_is_in_it() -> None:
    layout = Layout()
    made = Digest.of(b"made")
    plan = oci.plan(graph_of(layout, (layout.image(A), ()), made={made: (b"made", 4)}))
    assert (
        entry(plan, f"blobs/sha256/{made.hex}").source,
        entry(plan, f"blobs/sha256/{made.hex}").size_bytes,
    ) == (b"made", 4)


@pytest.mark.parametrize(
    ("machine", "platforms", "chosen"),
    [
        ("linux/amd64", (), 0),
        ("linux/arm64", (), 1),
        ("linux/arm/v7", (), 2),
        ("linux/amd64", ("linux/arm64",), 1),
        ("linux/amd64", ("linux/s390x", "linux/arm64"), 1),
        ("linux/s390x", (), None),
    ],
)
def test_manifest_json_has_the_image_for_the_platform(
    machine: str, platforms: tuple[str, ...], chosen: int | None
) -> None:
    layout = Layout()
    images = [
        layout.image(gzip(one), platform=platform)
        for one, platform in ((A, "linux/amd64"), (B, "linux/arm64"), (A + B, "linux/arm/v6"))
    ]
    top = layout.index(*images, layout.attestation(images[0]))
    plan = planned(graph_of(layout, (top, ("app:1",))), machine, platforms)
    items = document(plan, "manifest.json")
    if chosen is None:
        assert items is None
        assert any(machine in note for note in plan.notes)
        assert not [one for one in plan.entries if one.path == "repositories"]
        return
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
def test_zstd_is_said(blob: Blob, said: bool) -> None:
    layout = Layout()
    notes = planned(graph_of(layout, (layout.image(blob), ("app:1",)))).notes
    assert any("since version 23" in note for note in notes) is said


def test_v1_documents_are_for_images_that_docker_alone_has_made() -> None:
    layout = Layout()
    image = layout.image(A)
    graph = graph_of(layout, (image, ("app:1",)))
    with_manifest = planned(graph)
    own = docker.plan(graph, SaveOptions(), DockerFacts(frozenset({Digest.parse(image["digest"])})))
    more = {one.path for one in own.entries} - {one.path for one in with_manifest.entries}
    assert len(more) == 1
    assert document(own, more.pop())["id"]


def test_tags_made_of_a_digest() -> None:
    assert tag_names(Digest.of(b""))[:2] == (
        f"sha256-{Digest.of(b'').hex}",
        f"sha256-{Digest.of(b'').hex}.sig",
    )
    long = tag_names(Digest.of(b"", "sha512"))
    assert long[0] == f"sha512-{Digest.of(b'', 'sha512').hex[:64]}"
    assert all(len(tag) <= 128 for tag in long)
