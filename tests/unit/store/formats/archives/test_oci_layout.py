"""Claims of OCI image layouts, and of ``dir:`` folders that skopeo wrote."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from store.errors import DigestMismatch, InvalidArchive, InvalidDocument, TooLarge
from store.formats.archives.oci_layout import (
    claim,
    claim_dir,
    dir_blob_paths,
    oci_blob_paths,
)
from store.model.digests import Descriptor, Digest
from store.model.limits import DEFAULT_LIMITS, Limits
from tests.support.images import A, B
from tests.support.layouts import INDEX, REF_NAME, Layout, digest, encode
from tests.support.memory_files import MemoryFiles

if TYPE_CHECKING:
    from collections.abc import Mapping

    from store.formats.archives.claims import ArchiveClaim

BLOB = b"a blob"
DIGEST = Digest.of(BLOB)


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
    return claim(MemoryFiles(files), limits, lambda wanted: (stored or {}).get(str(wanted)))


def target(size: int = len(BLOB)) -> Descriptor:
    return Descriptor("text/plain", DIGEST, size)


def test_a_blob_is_found_read_and_verified() -> None:
    path = f"blobs/sha256/{DIGEST.hex}"
    blobs = oci_blob_paths(MemoryFiles({path: BLOB}))
    assert blobs.find(DIGEST) == path
    assert blobs.find_checked(target(), "here") == path
    assert blobs.read(target(), "here") == BLOB
    assert oci_blob_paths(MemoryFiles({})).read(target(), "here") is None


def test_a_blob_with_another_size_or_digest_is_refused() -> None:
    path = f"blobs/sha256/{DIGEST.hex}"
    with pytest.raises(DigestMismatch, match=r"^here: size of sha256:") as size:
        oci_blob_paths(MemoryFiles({path: BLOB})).find_checked(target(7), "here")
    assert (size.value.want, size.value.got) == (7, len(BLOB))
    with pytest.raises(DigestMismatch, match=r"^here: content of 'blobs/sha256/") as content:
        oci_blob_paths(MemoryFiles({path: b"A blob"})).read(target(), "here")
    assert content.value.want == DIGEST


@pytest.mark.parametrize(
    "name", [DIGEST.hex, f"{DIGEST.hex}.manifest.json", f"sha256-{DIGEST.hex}", str(DIGEST)]
)
def test_a_dir_folder_names_blobs_in_four_ways(name: str) -> None:
    assert dir_blob_paths(MemoryFiles({name: BLOB})).read(target(), "here") == BLOB


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
    layout.root(image, **{REF_NAME: f"app@{digest(A)}"})
    layout.root(image, **{REF_NAME: "Not A Name"})
    layout.root(image, **{REF_NAME: "a/B:1"})
    found = claimed(layout)
    (root,) = found.graph.roots
    assert root.names == ("docker.io/library/app:1", "docker.io/team/app:latest")
    assert root.bare == ("1.4",)
    assert found.notes == (
        "ignored the invalid image name 'Not A Name'",
        "ignored the invalid image name 'a/B:1'",
    )


def test_one_name_for_two_images_is_refused() -> None:
    layout = Layout()
    for data in (A, B):
        layout.root(layout.image(data), "docker.io/library/app:1")
    with pytest.raises(InvalidDocument, match=r"the name docker.io/library/app:1 is given to"):
        claimed(layout)


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


def test_index_json_must_list_documents() -> None:
    layout = Layout()
    layout.roots.append(layout.blob(b"text", "text/plain"))
    with pytest.raises(InvalidDocument, match="'text/plain': expected a manifest or an index"):
        claimed(layout)


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
