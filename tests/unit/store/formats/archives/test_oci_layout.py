"""Claims of OCI image layouts, and of ``dir:`` folders that skopeo wrote."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from store.errors import InvalidArchive, InvalidDocument, TooLarge
from store.formats.archives.oci_layout import claim, claim_dir
from store.formats.archives.validation import raise_faults
from store.model.limits import DEFAULT_LIMITS, Limits
from tests.support.images import A, B
from tests.support.layouts import CONTAINERD_NAME, INDEX, REF_NAME, Layout, encode
from tests.support.memory_files import MemoryFiles

if TYPE_CHECKING:
    from collections.abc import Mapping

    from store.formats.archives.claims import ArchiveClaim


def claimed(
    layout: Layout,
    limits: Limits = DEFAULT_LIMITS,
    stored: Mapping[str, bytes] | None = None,
    without: tuple[str, ...] = (),
) -> ArchiveClaim:
    """Return the claim of a layout from which the blobs named in ``without`` are absent."""
    files = {
        path: data
        for path, data in layout.members().items()
        if path not in {f"blobs/{name.replace(':', '/')}" for name in without}
    }
    found = claim(MemoryFiles(files), limits, lambda wanted: (stored or {}).get(str(wanted)))
    raise_faults(found)
    return found


def test_documents_come_after_their_children() -> None:
    layout = Layout()
    image = layout.image(A)
    inner = layout.index(image)
    top = layout.root(layout.index(inner), "docker.io/library/app:1")
    found = claimed(layout)
    assert [str(name) for name in found.graph.documents] == [
        image["digest"],
        inner["digest"],
        top["digest"],
    ]
    assert [(str(root.digest), root.names) for root in found.graph.roots] == [
        (top["digest"], ("docker.io/library/app:1",))
    ]
    assert [str(name) for name in found.graph.configs] == [image["digest"]]


def test_names_come_from_annotations() -> None:
    layout = Layout()
    image = layout.image(A)
    layout.root(image, "docker.io/library/app:1")
    layout.root(image, **{REF_NAME: "team/app"})
    layout.root(image, **{REF_NAME: "1.4"})
    layout.root(image, **{CONTAINERD_NAME: f"docker.io/team/app@{image['digest']}"})
    layout.root(image, **{REF_NAME: "Not A Name"})
    layout.root(image, **{REF_NAME: "a/B:1"})
    found = claimed(layout)
    (root,) = found.graph.roots
    assert root.names == (
        "docker.io/library/app:1",
        "docker.io/team/app:latest",
        f"docker.io/team/app@{image['digest']}",
    )
    assert root.bare == ("1.4",)
    assert root.unusable == ("Not A Name", "a/B:1")


def test_a_zarf_package_names_images_by_the_annotation_of_the_base_image() -> None:
    base = "org.opencontainers.image.base.name"
    layout = Layout()
    layout.root(layout.image(A), **{base: "example.org/team/app:1"})
    layout.root(layout.image(B), **{base: "docker.io/library/debian:12", "other": "x"})
    assert [root.names for root in claimed(layout).graph.roots] == [
        ("example.org/team/app:1",),
        (),
    ]


def test_a_document_may_be_in_the_store_only() -> None:
    layout = Layout()
    image = layout.root(layout.image(A))
    data = layout.blobs[image["digest"]]
    config = json.loads(data)["config"]["digest"]
    both = {image["digest"]: data, config: layout.blobs[config]}
    found = claimed(layout, stored=both, without=(image["digest"], config))
    assert list(map(str, found.graph.documents)) == [image["digest"]]
    with pytest.raises(InvalidArchive, match=r"is listed in index.json, but is neither"):
        claimed(layout, without=(image["digest"],))
    with pytest.raises(InvalidArchive, match=r"^config .* is neither in the archive nor in"):
        claimed(layout, without=(config,))


def test_a_config_of_many_manifests_is_read_and_parsed_once() -> None:
    layout = Layout()
    for number in range(20):
        image = layout.root(layout.image(A, annotations={"number": str(number)}))
    config = json.loads(layout.blobs[image["digest"]])["config"]["digest"]
    stored = {config: layout.blobs[config]}
    limits = Limits(documents_bytes=len(layout.blobs[config]))
    found = claimed(layout, limits, stored=stored, without=(config,))
    assert len(found.graph.configs) == 20
    assert len({id(one) for one in found.graph.configs.values()}) == 1


def test_documents_in_the_store_have_a_ceiling() -> None:
    layout = Layout()
    image = layout.root(layout.image(A))
    config = json.loads(layout.blobs[image["digest"]])["config"]["digest"]
    stored = {config: layout.blobs[config]}
    with pytest.raises(TooLarge, match="documents in the store"):
        claimed(layout, Limits(documents_bytes=10), stored=stored, without=(config,))


def test_a_child_that_is_missing_makes_a_sparse_index() -> None:
    layout = Layout()
    layout.root(layout.index(layout.image(A), layout.absent("linux/s390x")))
    ((index, link),) = claimed(layout).graph.absent()
    assert str(link.made_for) == "linux/s390x"
    assert len(index.children) == 2


def test_a_document_listed_with_another_media_type_is_refused() -> None:
    layout = Layout()
    image = layout.root(layout.image(A))
    layout.root(layout.index({**image, "mediaType": INDEX}))
    with pytest.raises(
        InvalidDocument, match=r"but it is listed as 'application/vnd.oci.image.ind"
    ):
        claimed(layout)


def test_indexes_may_be_nested_up_to_the_limit() -> None:
    layout = Layout()
    inner = layout.image(A)
    for _ in range(DEFAULT_LIMITS.graph_depth - 1):
        inner = layout.index(inner)
    layout.root(inner)
    assert len(claimed(layout).graph.documents) == DEFAULT_LIMITS.graph_depth
    layout.roots[:] = [layout.index(inner)]
    with pytest.raises(TooLarge, match="nested more than 32 levels deep"):
        claimed(layout)


def test_manifests_have_a_ceiling() -> None:
    layout = Layout()
    for number in range(3):
        layout.root(layout.artifact(b"%d" % number))
    assert len(claimed(layout, Limits(members=3)).graph.documents) == 3
    with pytest.raises(TooLarge, match="more than 2 manifests"):
        claimed(layout, Limits(members=2))


def test_an_artifact_without_layers_may_have_an_empty_image_config() -> None:
    layout = Layout()
    layout.root(
        layout.artifact(config=layout.blob(b"{}", "application/vnd.oci.image.config.v1+json"))
    )
    assert claimed(layout).graph.configs == {}


@pytest.mark.parametrize("version", ["1.0.0", "1.1", "1"])
def test_versions_of_layout_1_are_read(version: str) -> None:
    layout = Layout(files={"oci-layout": encode({"imageLayoutVersion": version})})
    assert claimed(layout).graph.roots == ()


@pytest.mark.parametrize("version", ["", "2.0.0", "10", "v1"])
def test_other_versions_are_refused(version: str) -> None:
    layout = Layout(files={"oci-layout": encode({"imageLayoutVersion": version})})
    with pytest.raises(InvalidDocument, match="unsupported imageLayoutVersion"):
        claimed(layout)


def test_content_of_an_unknown_type_is_held_by_an_index_of_its_own() -> None:
    layout = Layout()
    thing = layout.blob(b"text", "text/plain", annotations={"a": "<é>", REF_NAME: "team/x:1"})
    layout.roots.append(thing)
    found = claimed(layout)
    (root,) = found.graph.roots
    assert root.names == ("docker.io/team/x:1",)
    held = found.graph.documents[root.digest]
    (link,) = held.children
    assert (str(link.digest), link.target.media_type) == (thing["digest"], "text/plain")
    assert dict(link.annotations) == {"a": "<é>"}
    # A layout with this index is read again with the same digest.
    layout.roots[:] = [layout.blob(held.data, INDEX)]
    assert [again.digest for again in claimed(layout).graph.roots] == [root.digest]


def test_an_entry_of_schema_1_is_a_fault_of_its_root() -> None:
    layout = Layout()
    image = layout.root(layout.image(A))
    old = layout.blob(b"{}", "application/vnd.docker.distribution.manifest.v1+prettyjws")
    layout.roots.append(old)
    found = claim(MemoryFiles(layout.members()), DEFAULT_LIMITS, lambda _: None)
    assert [str(digest) for digest in found.graph.documents] == [image["digest"]]
    assert [str(digest) for digest in found.graph.faults] == [old["digest"]]
    assert len(found.graph.roots) == 2


def test_a_dir_folder_has_one_manifest_without_a_name() -> None:
    layout = Layout()
    image = layout.image(A)
    files = {
        "version": b"Directory Transport Version: 1.1\n",
        "manifest.json": layout.blobs.pop(image["digest"]),
        **{name.partition(":")[2]: data for name, data in layout.blobs.items()},
    }
    found = claim_dir(MemoryFiles(files), DEFAULT_LIMITS, lambda _: None)
    assert [(str(root.digest), root.names) for root in found.graph.roots] == [(image["digest"], ())]
    assert found.notes == ()
    signed = claim_dir(MemoryFiles({**files, "signature-1": b""}), DEFAULT_LIMITS, lambda _: None)
    assert signed.notes == ("the signatures in the folder were not imported",)
    with pytest.raises(InvalidArchive, match=r"unsupported version '2\.0' of a dir: folder"):
        claim_dir(
            MemoryFiles({**files, "version": b"Directory Transport Version: 2.0\n"}),
            DEFAULT_LIMITS,
            lambda _: None,
        )
