"""Claims of archives that contain both an OCI layout and a ``manifest.json``."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from store.errors import InvalidArchive, TooLarge
from store.formats.archives import docker, oci_layout
from store.formats.archives.docker_and_oci import artifact_configs, reconcile
from store.formats.archives.validation import raise_faults
from store.model.digests import Digest
from store.model.limits import DEFAULT_LIMITS
from tests.support.images import A, B
from tests.support.layouts import Layout, encode
from tests.support.memory_files import MemoryFiles

if TYPE_CHECKING:
    from store.formats.archives.claims import ArchiveClaim
    from tests.support.layouts import Descriptor


def path(link: Descriptor) -> str:
    return f"blobs/{link['digest'].replace(':', '/')}"


def entry(layout: Layout, image: Descriptor, *tags: str, **members: object) -> dict[str, Any]:
    """Return the entry of ``manifest.json`` for an image of the layout."""
    document = json.loads(layout.blobs[image["digest"]])
    layers = [path(link) for link in document["layers"]]
    return {
        "Config": path(document["config"]),
        "RepoTags": list(tags),
        "Layers": layers,
        **members,
    }


def reconciled(layout: Layout, *entries: dict[str, Any]) -> ArchiveClaim:
    files = MemoryFiles({**layout.members(), "manifest.json": encode(list(entries))})
    found = reconcile(
        oci_layout.claim(files, DEFAULT_LIMITS, lambda _: None),
        docker.claim(files.document, DEFAULT_LIMITS),
    )
    raise_faults(found)
    return found


def test_manifest_json_gives_the_names() -> None:
    layout = Layout()
    image = layout.root(layout.image(A, B), "docker.io/library/old:1")
    found = reconciled(layout, entry(layout, image, "new:1", "new:2"))
    assert [root.names for root in found.graph.roots] == [
        ("docker.io/library/new:1", "docker.io/library/new:2")
    ]
    assert [(one.described, one.tags) for one in found.images] == [(True, ())]


def test_a_root_that_manifest_json_does_not_name_keeps_its_name() -> None:
    layout = Layout()
    layout.root(layout.image(A), "docker.io/library/kept:1")
    other = layout.root(layout.image(B), "docker.io/library/other:1")
    found = reconciled(layout, entry(layout, other, "other:1"))
    assert [root.names for root in found.graph.roots] == [
        ("docker.io/library/kept:1",),
        ("docker.io/library/other:1",),
    ]


def test_an_image_without_a_tag_may_be_missing_in_index_json() -> None:
    layout = Layout()
    layout.root(layout.image(A), "docker.io/library/app:1")
    unnamed = layout.image(B)
    found = reconciled(layout, entry(layout, unnamed))
    assert [(one.described, one.layers) for one in found.images] == [
        (False, tuple(entry(layout, unnamed)["Layers"]))
    ]


def test_an_image_with_a_tag_must_be_in_index_json() -> None:
    layout = Layout()
    layout.root(layout.image(A), "docker.io/library/app:1")
    with pytest.raises(
        InvalidArchive, match=r"manifest.json lists x:1 .*, but index.json does not"
    ):
        reconciled(layout, entry(layout, layout.image(B), "x:1"))


def test_different_layers_are_refused() -> None:
    layout = Layout()
    image = layout.root(layout.image(A, B), "docker.io/library/app:1")
    layers = entry(layout, image)["Layers"]
    with pytest.raises(InvalidArchive, match="disagree about the layers of app:1"):
        reconciled(layout, entry(layout, image, "app:1", Layers=layers[:1] * 2))


def test_one_name_for_two_images_is_refused() -> None:
    layout = Layout()
    one = layout.root(layout.image(A), "docker.io/library/one:1")
    layout.root(layout.image(B), "docker.io/library/two:1")
    with pytest.raises(InvalidArchive, match=r"give the name docker.io/library/two:1 to different"):
        reconciled(layout, entry(layout, one, "two:1"))


def test_paths_without_digests_match_any_manifest_of_the_config() -> None:
    layout = Layout()
    image = layout.root(layout.image(A, B))
    found = reconciled(layout, entry(layout, image, "app:1", Layers=["x/layer.tar", "y/layer.tar"]))
    assert found.images[0].described


def test_an_image_with_many_manifests_cannot_be_listed_many_times(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    layout = Layout()
    for number in range(20):
        image = layout.root(layout.image(A, annotations={"number": str(number)}))
    listed = [entry(layout, image)] * 20
    assert len(reconciled(layout, *listed).images) == 20
    monkeypatch.setattr("store.formats.archives.docker_and_oci._MAX_CANDIDATES", 399)
    with pytest.raises(TooLarge, match="more than 399 manifests"):
        reconciled(layout, *listed)


def test_a_manifest_of_docker_25_0_0_is_left_out_with_a_note() -> None:
    layout = Layout()
    image = layout.image(A, B, A)
    right = entry(layout, image, "app:1")
    document = json.loads(layout.blobs.pop(image["digest"]))
    document["layers"] = document["layers"][1::-1]
    layout.root(layout.document(document, image["mediaType"]), "docker.io/library/app:1")
    found = reconciled(layout, right)
    assert found.graph.roots == ()
    assert [(one.described, one.tags) for one in found.images] == [(False, ("app:1",))]
    assert "a bug in Docker 25.0.0" in found.notes[0]


def test_a_manifest_with_another_number_of_layers_than_its_config_is_an_artifact() -> None:
    layout = Layout()
    image = layout.root(layout.image(A), "docker.io/library/app:1")
    document = json.loads(layout.blobs[image["digest"]])
    document["layers"] *= 2
    odd = layout.root(layout.document(document, "application/vnd.oci.image.manifest.v1+json"))
    # As `ctr images export` lists them both.
    listed = entry(layout, odd, "odd:1")
    claim = oci_layout.claim(MemoryFiles(layout.members()), DEFAULT_LIMITS, lambda _: None)
    no_images, unfit = artifact_configs(claim.graph)
    assert (no_images, unfit) == (frozenset(), frozenset({path(document["config"])}))
    files = MemoryFiles(
        {**layout.members(), "manifest.json": encode([entry(layout, image, "app:1"), listed])}
    )
    both = reconcile(
        claim, docker.claim(files.document, DEFAULT_LIMITS, no_images=no_images, unfit=unfit)
    )
    assert [(one.described, len(one.layers)) for one in both.images] == [(True, 1)]
    graph = both.graph
    assert [str(digest) for digest in graph.configs] == [image["digest"]]
    assert "has 2 layers" in graph.artifacts[Digest.parse(odd["digest"])].reason


def test_a_name_that_is_not_valid_is_kept_apart() -> None:
    layout = Layout()
    image = layout.root(layout.image(A), "docker.io/library/one:1")
    (root,) = reconciled(layout, entry(layout, image, "one:1", "Two:1")).graph.roots
    assert (root.names, root.unusable) == (("docker.io/library/one:1",), ("Two:1",))


def test_a_contradiction_breaks_only_its_image() -> None:
    layout = Layout()
    one = layout.root(layout.image(A), "docker.io/library/one:1")
    two = layout.root(layout.image(B), "docker.io/library/two:1")
    wrong = {**entry(layout, two, "two:1"), "Layers": entry(layout, one)["Layers"]}
    files = MemoryFiles(
        {**layout.members(), "manifest.json": encode([entry(layout, one, "one:1"), wrong])}
    )
    found = reconcile(
        oci_layout.claim(files, DEFAULT_LIMITS, lambda _: None),
        docker.claim(files.document, DEFAULT_LIMITS),
    )
    assert [image.tags for image in found.broken] == [("two:1",)]
    assert len(found.images) == 1


def test_only_configs_of_artifacts_are_artifact_configs() -> None:
    layout = Layout()
    layout.root(layout.image(A))
    artifact = layout.root(layout.artifact(b"signed"))
    claim = oci_layout.claim(MemoryFiles(layout.members()), DEFAULT_LIMITS, lambda _: None)
    config = json.loads(layout.blobs[artifact["digest"]])["config"]
    assert artifact_configs(claim.graph) == (frozenset({path(config)}), frozenset())
