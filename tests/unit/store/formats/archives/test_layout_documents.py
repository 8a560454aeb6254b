"""The finder of blobs in an archive, and the walk over its manifests and indexes."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from store.errors import DigestMismatch, InvalidDocument, TooLarge
from store.formats.archives.layout_documents import dir_blob_paths, oci_blob_paths
from store.formats.archives.oci_layout import claim
from store.model.digests import Descriptor, Digest
from store.model.limits import DEFAULT_LIMITS, Limits
from tests.support.images import A, B
from tests.support.layouts import Layout
from tests.support.memory_files import MemoryFiles

if TYPE_CHECKING:
    from store.formats.archives.claims import Graph

BLOB = b"a blob"
DIGEST = Digest.of(BLOB)


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
    "name",
    [
        DIGEST.hex,
        f"{DIGEST.hex}.manifest.json",
        f"sha256-{DIGEST.hex}",
        f"sha256-{DIGEST.hex}.manifest.json",
        str(DIGEST),
    ],
)
def test_a_dir_folder_names_blobs_in_five_ways(name: str) -> None:
    assert dir_blob_paths(MemoryFiles({name: BLOB})).read(target(), "here") == BLOB


def graph(layout: Layout, limits: Limits = DEFAULT_LIMITS) -> Graph:
    return claim(MemoryFiles(layout.members()), limits, lambda _: None).graph


def test_each_error_is_a_fault_of_one_document() -> None:
    layout = Layout()
    sound = layout.root(layout.image(A))
    damaged, cut, absent = (layout.root(layout.image(B, annotations={"n": n})) for n in "123")
    layout.blobs[damaged["digest"]] = layout.blobs[cut["digest"]]
    layout.blobs[cut["digest"]] = layout.blobs[cut["digest"]][:-1]
    del layout.blobs[absent["digest"]]
    no_config = layout.root(layout.image(B, config={"os": "plan9"}))
    del layout.blobs[json.loads(layout.blobs[no_config["digest"]])["config"]["digest"]]
    found = graph(layout)
    assert [str(digest) for digest in found.configs] == [sound["digest"]]
    faults = {str(digest): type(error).__name__ for digest, error in found.faults.items()}
    assert faults == {
        damaged["digest"]: "DigestMismatch",
        cut["digest"]: "DigestMismatch",
        absent["digest"]: "InvalidArchive",
        no_config["digest"]: "InvalidArchive",
    }
    assert all(error.__traceback__ is None for error in found.faults.values())


def test_a_broken_child_is_a_fault_and_not_absent() -> None:
    layout = Layout()
    broken = layout.blob(b"[]", "application/vnd.oci.image.manifest.v1+json")
    index = layout.root(layout.index(layout.image(A), broken))
    found = graph(layout)
    assert found.absent() == ()
    assert [str(digest) for digest in found.faults] == [broken["digest"]]
    assert Digest.parse(broken["digest"]) in set(found.below(Digest.parse(index["digest"])))
    (error,) = found.faults.values()
    assert isinstance(error, InvalidDocument)


def test_a_config_that_cannot_be_read_is_read_once_for_all_manifests() -> None:
    layout = Layout()
    for number in range(5):
        image = layout.root(layout.image(A, annotations={"number": str(number)}))
    config = json.loads(layout.blobs[image["digest"]])["config"]["digest"]
    layout.blobs[config] = layout.blobs[config][:-1] + b" "
    read: list[str] = []

    class Counting:
        files = MemoryFiles(layout.members())
        exists, size, names_in = files.exists, files.size, files.names_in

        def document(self, path: str) -> bytes:
            read.append(path)
            return self.files.document(path)

    found = claim(Counting(), DEFAULT_LIMITS, lambda _: None).graph
    assert len(found.faults) == 5
    assert read.count(f"blobs/{config.replace(':', '/')}") == 1


def test_documents_of_the_store_are_not_read_beyond_their_ceiling() -> None:
    layout = Layout()
    roots = [layout.root(layout.image(A, annotations={"n": str(n)})) for n in range(5)]
    documents = {one["digest"]: layout.blobs.pop(one["digest"]) for one in roots}
    read: list[str] = []

    def stored(digest: Digest) -> bytes | None:
        read.append(str(digest))
        return documents.get(str(digest))

    limits = Limits(documents_bytes=len(documents[roots[0]["digest"]]) + 1)
    with pytest.raises(TooLarge, match="documents in the store"):
        claim(MemoryFiles(layout.members()), limits, stored)
    assert len(read) == 2


class CountedFiles(MemoryFiles):
    """Files that count how many documents were read from them."""

    count = 0

    def document(self, path: str) -> bytes:
        self.count += 1
        return super().document(path)


@pytest.mark.parametrize(
    ("limits", "count"),
    [
        # oci-layout, index.json, and the manifests up to the third.
        (Limits(labels_in_archive=2), 5),
        (Limits(labels=0), 3),
    ],
)
def test_no_document_is_read_after_one_beyond_a_ceiling(limits: Limits, count: int) -> None:
    layout = Layout()
    for number in range(5):
        layout.root(layout.image(A, annotations={"n": str(number)}))
    files = CountedFiles(layout.members())
    with pytest.raises(TooLarge):
        claim(files, limits, lambda _: None)
    assert files.count == count


def test_no_config_is_read_after_one_beyond_a_ceiling() -> None:
    layout = Layout()
    for number in range(5):
        layout.root(layout.image(A, config={"config": {"Labels": {"n": str(number)}}}))
    files = CountedFiles(layout.members())
    with pytest.raises(TooLarge, match="too many labels"):
        claim(files, Limits(labels_in_archive=2), lambda _: None)
    # oci-layout, index.json, five manifests and three configs.
    assert files.count == 10
