"""Manifests of a repository are checked for what they list."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from store.errors import InvalidInput, TooLarge
from store.model.digests import Digest
from store.model.limits import TreeLimits
from store.registry_tree.disk import Tree
from store.registry_tree.findings import Findings, Kind
from store.registry_tree.graph import RepositoryGraph, read_graph, read_manifest
from store.registry_tree.repositories import read_links
from tests.support.images import A, B
from tests.support.layouts import Layout, foreign, gzip
from tests.support.registry_trees import write

if TYPE_CHECKING:
    from tests.support.registry_trees import RegistryFiles


def read(files: RegistryFiles) -> tuple[RepositoryGraph, Findings]:
    findings = Findings(100)
    with Tree(files.folder) as tree:
        return read_graph(tree, read_links(tree, "app", findings), findings), findings


def kinds(findings: Findings) -> list[tuple[Kind, tuple[str, ...]]]:
    return [(one.kind, one.tags) for one in findings.found]


def indexed(files: RegistryFiles) -> tuple[Layout, dict[str, Any], dict[str, Any], dict[str, Any]]:
    layout = Layout()
    amd = layout.image(gzip(A), platform="linux/amd64")
    arm = layout.image(gzip(B), platform="linux/arm64")
    index = layout.index(amd, arm)
    files.push(layout, "app", one=index)
    return layout, index, amd, arm


def layer_of(layout: Layout, image: dict[str, Any]) -> str:
    return str(json.loads(layout.blobs[image["digest"]])["layers"][0]["digest"])


def test_a_sound_repository_has_no_findings(files: RegistryFiles) -> None:
    layout, index, amd, arm = indexed(files)
    alone = layout.image(gzip(A), gzip(B))
    signature = layout.artifact(b"x", subject=index)
    distant = layout.image(foreign(gzip(A), "https://example.org/a"))
    files.push(layout, "app", one=index, far=distant)
    graph, findings = read(files)
    assert findings.found == []
    roots = graph.roots()
    assert roots == {
        Digest.parse(index["digest"]): ("one",),
        Digest.parse(alone["digest"]): (),
        Digest.parse(distant["digest"]): ("far",),
        Digest.parse(signature["digest"]): (),
    }
    # Referrers come last.
    assert list(roots)[-1] == Digest.parse(signature["digest"])
    below = set(graph.below(Digest.parse(index["digest"])))
    assert below == {Digest.parse(one["digest"]) for one in (index, amd, arm)}


def test_a_manifest_without_its_layer_is_not_usable_and_its_index_is(files: RegistryFiles) -> None:
    layout, index, amd, arm = indexed(files)
    files.blob(layer_of(layout, amd)).unlink()
    graph, findings = read(files)
    assert kinds(findings) == [(Kind.MISSING_BLOB, ("one",))]
    assert findings.found[0].digest == Digest.parse(layer_of(layout, amd))
    assert set(graph.below(Digest.parse(index["digest"]))) == {
        Digest.parse(one["digest"]) for one in (index, arm)
    }


def test_an_index_without_any_image_is_not_usable(files: RegistryFiles) -> None:
    _, index, amd, arm = indexed(files)
    for image in (amd, arm):
        files.blob(image["digest"]).unlink()
    graph, findings = read(files)
    assert graph.roots() == {}
    assert sorted(kind for kind, _ in kinds(findings)) == (
        [Kind.MISSING_CHILD] * 2 + [Kind.MISSING_MANIFEST] * 2
    )
    files.blob(index["digest"]).unlink()
    _, findings = read(files)
    assert (Kind.TAG_WITHOUT_MANIFEST, ("one",)) in kinds(findings)


def test_wrong_files_are_found(files: RegistryFiles) -> None:
    layout, index, amd, arm = indexed(files)
    files.blob(amd["digest"]).write_bytes(b"{}")
    files.blob(layer_of(layout, arm)).write_bytes(b"short")
    _, findings = read(files)
    assert sorted(kinds(findings)) == [
        (Kind.WRONG_DIGEST, ("one",)),
        (Kind.WRONG_SIZE, ("one",)),
    ]
    files.blob(index["digest"]).unlink()
    files.blob(index["digest"]).symlink_to("/dev/null")
    _, findings = read(files)
    assert (Kind.UNSAFE_ENTRY, ("one",)) in kinds(findings)


def test_a_manifest_of_another_kind_is_found(files: RegistryFiles) -> None:
    digest = files.put(b'{"schemaVersion": 1, "name": "old"}')
    write(files.revision("app", digest), digest.encode())
    _, findings = read(files)
    assert kinds(findings) == [(Kind.INVALID_MANIFEST, ())]


def test_links_that_lead_nowhere_and_manifests_without_a_link_are_harmless(
    files: RegistryFiles,
) -> None:
    _, index, amd, _ = indexed(files)
    files.revision("app", index["digest"]).unlink()
    files.revision("app", amd["digest"]).unlink()
    gone = str(Digest.of(b"gone"))
    write(files.layer("app", gone), gone.encode())
    _, findings = read(files)
    assert sorted(kinds(findings)) == [
        (Kind.DEAD_LAYER_LINK, ()),
        (Kind.UNLINKED_MANIFEST, ("one",)),
        (Kind.UNLINKED_MANIFEST, ("one",)),
    ]
    assert findings.losses == 0


def test_a_manifest_has_a_ceiling(files: RegistryFiles) -> None:
    digest = Digest.parse(files.put(b"x" * 100))
    with Tree(files.folder, TreeLimits(manifest_bytes=99)) as tree, pytest.raises(TooLarge):
        read_manifest(tree, digest)
    with Tree(files.folder) as tree:
        assert read_manifest(tree, digest) == b"x" * 100
        assert read_manifest(tree, Digest.of(b"absent")) is None
        files.blob(str(digest)).write_bytes(b"y")
        with pytest.raises(InvalidInput, match="another digest"):
            read_manifest(tree, digest)
