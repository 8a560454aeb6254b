"""The files of a layout whose blobs are in a registry."""

from __future__ import annotations

import json
import threading
from typing import TYPE_CHECKING

import pytest

from remote.pulling.documents import PulledRoot, RemoteImage
from remote.pulling.held import HeldContent
from remote.pulling.members import RemoteMembers, layout_index
from remote.pulling.transfer import Traffic, Transfers
from store.blobs.downloads import Downloads
from store.errors import MissingMember, TooLarge
from store.formats.compression.settings import Compression
from store.importing.staging import Stager
from store.importing.workers import Pool
from store.model.digests import Descriptor, Digest
from store.model.limits import DEFAULT_LIMITS, Limits
from store.model.progress import Silent
from store.model.references import Reference
from tests.support.images import A
from tests.support.layouts import Layout, gzip

if TYPE_CHECKING:
    from collections.abc import Iterator

    from store import Store
    from tests.support.pulls import Pulls, Upstream

LAYER = gzip(A)
BLOB = Digest.of(LAYER.data)
PATH = f"blobs/sha256/{BLOB.hex}"
DOCUMENT = Descriptor("application/vnd.oci.image.manifest.v1+json", Digest.of(b"{}"), 2)
NAME = Reference.parse("team/app:1")


@pytest.fixture
def image() -> RemoteImage:
    roots = [PulledRoot(DOCUMENT, NAME), PulledRoot(DOCUMENT, None)]
    target = Descriptor("application/vnd.oci.image.layer.v1.tar+gzip", BLOB, len(LAYER.data))
    return RemoteImage(NAME, roots, {DOCUMENT.digest: b"{}"}, {BLOB: target})


@pytest.fixture
def members(
    upstream: Upstream, pulls: Pulls, store: Store, image: RemoteImage
) -> Iterator[RemoteMembers]:
    layout = Layout()
    layout.root(layout.image(LAYER), "docker.io/team/app:1")
    upstream.serve(layout)
    transfers = Transfers(
        pulls.repository(upstream.name("team/app:1").repository),
        pulls.loop,
        HeldContent(store),
        Downloads(store.root),
        threading.Semaphore(2),
        threading.Event(),
        Traffic(),
    )
    with store.operation("pull") as operation, Pool(2, 4) as pool:
        stager = Stager(operation, pool, Compression(), DEFAULT_LIMITS)
        found = RemoteMembers(image, transfers, stager, Limits(json_bytes=20), Silent())
        yield found
        found.close(is_stored=False)


def test_the_index_names_what_was_asked_for(image: RemoteImage) -> None:
    index = json.loads(layout_index(image))
    stated = {"mediaType": DOCUMENT.media_type, "digest": str(DOCUMENT.digest), "size": 2}
    name = {"io.containerd.image.name": "docker.io/team/app:1"}
    assert index["manifests"] == [{**stated, "annotations": name}, stated]


def test_the_layout_has_its_documents_and_blobs(members: RemoteMembers) -> None:
    document = f"blobs/sha256/{DOCUMENT.digest.hex}"
    absent = f"blobs/sha256/{'0' * 64}"
    assert [members.exists(path) for path in ("index.json", "oci-layout", document, PATH)] == (
        [True] * 4
    )
    assert [members.exists(path) for path in ("manifest.json", absent)] == [False] * 2
    assert (members.size(document), members.size(PATH)) == (2, len(LAYER.data))
    assert members.document(document) == b"{}"
    assert json.loads(members.document("oci-layout"))["imageLayoutVersion"] == "1.0.0"
    assert members.top_level_directories() == ("blobs",)
    assert members.names_in() == ("blobs/", "index.json", "oci-layout")
    assert members.names_in("blobs") == ()
    assert (members.find_all("index.json"), members.find_all("version")) == (("index.json",), ())
    assert members.head(PATH) is None
    for path in (absent, "manifest.json"):
        with pytest.raises(MissingMember):
            members.layer(path)


def test_a_blob_is_fetched_once(upstream: Upstream, members: RemoteMembers) -> None:
    members.prefetch([PATH, PATH])
    layer = members.layer(PATH)
    assert members.layer(PATH) is layer
    # What is stored as it came is the blob as well.
    assert members.blob(PATH) is layer
    assert layer.stored.digest == BLOB
    assert upstream.registry.count("GET", str(BLOB)) == 1


def test_a_blob_need_not_be_a_layer(upstream: Upstream, members: RemoteMembers) -> None:
    blob = members.blob(PATH)
    assert (blob.stored.digest, blob.codec) == (BLOB, None)
    # Its file has all bytes, so that nothing is fetched for the layer.
    assert members.layer(PATH).diff.digest == Digest.of(A)
    assert upstream.registry.count("GET", str(BLOB)) == 1


def test_a_large_document_is_refused(upstream: Upstream, members: RemoteMembers) -> None:
    with pytest.raises(TooLarge):
        members.document(PATH)
    assert upstream.registry.count("GET", str(BLOB)) == 0
