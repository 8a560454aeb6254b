"""The graph of the manifests that an archive claims to contain."""

from __future__ import annotations

from store.formats.archives.claims import Graph, Root
from store.formats.image.manifests import Document
from store.model.digests import Digest
from tests.support.images import A, B
from tests.support.layouts import Descriptor, Layout


def graph(layout: Layout, *roots: Descriptor) -> Graph:
    """Return the graph of all manifests and indexes in a layout."""
    documents = {
        Digest.parse(name): Document.parse(data)
        for name, data in layout.blobs.items()
        if b'"schemaVersion"' in data
    }
    return Graph(tuple(Root(Digest.parse(root["digest"])) for root in roots), documents)


def test_below_reaches_each_document_once() -> None:
    layout = Layout()
    shared, other = layout.image(A), layout.image(B)
    inner = layout.index(shared)
    top = layout.index(shared, inner, other, layout.absent("linux/s390x"))
    found = list(graph(layout, top).below(Digest.parse(top["digest"])))
    assert found[0] == Digest.parse(top["digest"])
    assert sorted(map(str, found)) == sorted(one["digest"] for one in (top, inner, shared, other))


def test_below_a_document_that_is_absent_is_only_itself() -> None:
    gone = Digest.of(b"gone")
    assert list(Graph().below(gone)) == [gone]


def test_absent_lists_each_missing_manifest_once_with_its_index() -> None:
    layout = Layout()
    absent = layout.absent("linux/s390x")
    inner = layout.index(absent)
    top = layout.index(layout.image(A), absent, inner)
    found = graph(layout, top).absent()
    assert [(str(link.digest), link.made_for) for _, link in found] == [
        (absent["digest"], found[0][1].made_for)
    ]
    assert str(found[0][0].digest) in {top["digest"], inner["digest"]}
    assert str(found[0][1].made_for) == "linux/s390x"


def test_links_to_other_content_are_not_absent_manifests() -> None:
    layout = Layout()
    top = layout.index(layout.absent("linux/s390x", media_type="text/plain"))
    assert graph(layout, top).absent() == ()
