"""The files of a registry as those of a layout."""

from __future__ import annotations

import bz2
import json
from typing import TYPE_CHECKING

import pytest

from store.errors import MissingMember, TooLarge
from store.formats.compression.settings import Compression
from store.importing.staging import Stager
from store.importing.workers import Pool
from store.model.contents import Codec
from store.model.digests import Digest
from store.model.limits import DEFAULT_LIMITS, Limits
from store.model.progress import Silent
from store.registry_tree.disk import Tree
from store.registry_tree.graph import Node
from store.registry_tree.members import TreeMembers, WrongBlob, layout_index
from store.registry_tree.sharing import Sharing
from tests.support.images import A
from tests.support.layouts import gzip

if TYPE_CHECKING:
    from collections.abc import Iterator

    from store import Store
    from tests.support.registry_trees import RegistryFiles

ROOT = Digest.of(b"root")
NODE = Node(
    ROOT,
    "application/vnd.oci.image.manifest.v1+json",
    4,
    is_index=False,
    children=(),
    blobs=(),
    subject=None,
    loaded_bytes=4,
)
HIDDEN = Digest.of(b"hidden")


def path(digest: str) -> str:
    return f"blobs/{digest.replace(':', '/')}"


@pytest.fixture
def members(files: RegistryFiles, store: Store) -> Iterator[TreeMembers]:
    with (
        Tree(files.folder) as tree,
        store.operation("import") as operation,
        Pool(2) as pool,
    ):
        yield TreeMembers(
            tree,
            {ROOT: ("docker.io/team/app:1",)},
            {ROOT: NODE},
            {HIDDEN},
            Stager(operation, pool, Compression(), DEFAULT_LIMITS),
            Sharing(link=True),
            Limits(json_bytes=100, layer_bytes=100_000),
            Silent(),
        )


def test_the_index_has_an_entry_for_each_name() -> None:
    other = Digest.of(b"other")
    index = json.loads(
        layout_index(
            {ROOT: ("a.example/x:1", "a.example/x:2"), other: ()}, {ROOT: NODE, other: NODE}
        )
    )
    names = [
        one.get("annotations", {}).get("io.containerd.image.name") for one in index["manifests"]
    ]
    assert names == ["a.example/x:1", "a.example/x:2", None]


def test_documents_and_blobs_are_found(files: RegistryFiles, members: TreeMembers) -> None:
    digest = files.put(b"{}")
    files.put(b"hidden")
    assert members.exists("index.json")
    assert members.exists(path(digest))
    assert not members.exists(path(str(HIDDEN)))
    assert not members.exists("blobs/sha256/short")
    assert not members.exists("manifest.json")
    assert members.size(path(digest)) == len(members.document(path(digest))) == 2
    assert members.size("oci-layout") == len(members.document("oci-layout"))
    assert members.head(path(digest)) == b"{}"
    assert members.head("oci-layout")[:1] == b"{"  # type: ignore[index]
    assert members.names_in() == ("blobs/", "index.json", "oci-layout")
    assert members.top_level_directories() == ("blobs",)
    assert members.find_all("index.json") == ("index.json",)
    assert members.find_all("version") == ()
    for absent in (path(str(HIDDEN)), path(str(Digest.of(b"absent"))), "other"):
        with pytest.raises(MissingMember):
            members.size(absent)
    with pytest.raises(TooLarge):
        members.document(path(files.put(b" " * 101)))


def test_a_layer_is_staged_as_it_is_and_a_plain_one_is_compressed(
    files: RegistryFiles, members: TreeMembers
) -> None:
    packed, plain = files.put(gzip(A).data), files.put(A)
    members.prefetch((path(packed), path(plain), "other"))
    staged = members.layer(path(packed))
    assert staged.path.read_bytes() == gzip(A).data
    assert (str(staged.stored.digest), str(staged.diff.digest)) == (packed, plain)
    assert members.layer(path(packed)) is staged
    assert members.blob(path(packed)) is staged
    assert members.layer(path(plain)).codec is Codec.ZSTD
    assert str(members.blob(path(plain)).stored.digest) == plain


def test_both_forms_of_another_codec_are_kept(files: RegistryFiles, members: TreeMembers) -> None:
    digest = files.put(bz2.compress(A))
    staged = members.layer(path(digest))
    assert staged.original is not None
    assert str(staged.original.stored.digest) == digest
    assert staged.diff.digest == Digest.of(A)


@pytest.mark.parametrize("kind", ["layer", "blob", "prefetched"])
def test_wrong_bytes_are_never_staged(
    files: RegistryFiles, members: TreeMembers, kind: str
) -> None:
    digest = files.put(gzip(A).data)
    files.blob(digest).write_bytes(gzip(A + A).data)
    if kind == "prefetched":
        members.prefetch((path(digest),))
    with pytest.raises(WrongBlob) as caught:
        members.blob(path(digest)) if kind == "blob" else members.layer(path(digest))
    assert str(caught.value.digest) == digest


def test_a_blob_has_a_ceiling(files: RegistryFiles, members: TreeMembers) -> None:
    with pytest.raises(TooLarge):
        members.blob(path(files.put(bytes(100_001))))
