from __future__ import annotations

from remote.through.pending import Pending
from store.formats.image.manifests import Document
from store.model.digests import Digest
from store.model.references import Reference, Repository
from tests.support.images import A, B
from tests.support.layouts import Layout, gzip

TEAM = Repository("docker.io", "team/app")
OTHER = Repository("docker.io", "team/other")


def documents() -> tuple[Document, Document, Document]:
    """Return an index and its two manifests."""
    layout = Layout()
    amd64, arm64 = layout.image(gzip(A)), layout.image(gzip(B), platform="linux/arm64")
    index = layout.index(amd64, arm64)
    one, two, three = (
        Document.parse(layout.blobs[target["digest"]]) for target in (index, amd64, arm64)
    )
    return one, two, three


def test_a_manifest_is_published_with_the_index_and_the_tag_that_led_to_it() -> None:
    index, amd64, arm64 = documents()
    pending = Pending()
    pending.add(TEAM, index, "1")
    assert pending.images(TEAM) == []
    pending.add(TEAM, amd64)
    (image,) = pending.images(TEAM, amd64.layers[0].digest)
    assert image.reference == Reference(TEAM, "1")
    assert image.digest == index.digest
    assert list(image.documents) == [amd64.digest, index.digest]
    assert set(image.blobs) == {link.digest for link in amd64.links}
    assert pending.images(TEAM, arm64.layers[0].digest) == []
    assert pending.images(OTHER) == []
    pending.remove(TEAM, amd64.digest)
    pending.remove(TEAM, index.digest)
    # The index may lead to the manifest of another platform.
    pending.add(TEAM, arm64)
    assert pending.images(TEAM)[0].reference.tag == "1"


def test_a_manifest_without_an_index_has_its_own_name() -> None:
    _, amd64, _ = documents()
    pending = Pending()
    pending.add(TEAM, amd64)
    assert pending.images(TEAM)[0].reference == Reference(TEAM, digest=amd64.digest)
    pending.add(TEAM, amd64, "2")
    assert pending.images(TEAM)[0].reference == Reference(TEAM, "2")


def test_a_blob_has_the_size_that_a_manifest_states() -> None:
    _, amd64, _ = documents()
    pending = Pending()
    pending.add(TEAM, amd64)
    layer = amd64.layers[0].target
    assert pending.blob(TEAM, layer.digest) == layer
    assert pending.blob(OTHER, layer.digest) is None
    assert pending.blob(TEAM, Digest.of(b"?")) is None


def test_the_oldest_manifests_are_forgotten() -> None:
    index, amd64, arm64 = documents()
    few, small = Pending(max_documents=2), Pending(max_bytes=len(amd64.data) + len(arm64.data))
    for pending in (few, small):
        for document in (index, amd64, arm64):
            pending.add(TEAM, document)
        assert pending.find(TEAM, index.digest) is None
        assert pending.find(TEAM, amd64.digest) is amd64
        assert pending.find(TEAM, arm64.digest) is arm64
