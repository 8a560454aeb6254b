from __future__ import annotations

from exporter.planning import layout
from exporter.selection.roots import SavedRoot
from store.formats.image.manifests import Document
from store.model.digests import Digest
from store.model.references import Reference
from tests.support.layouts import Layout

A1, A2, B1 = map(Reference.parse, ("a:1", "a:2", "example.org/b:1"))


def test_blobs_are_sorted_by_algorithm_and_digest() -> None:
    digests = [Digest.of(b"1"), Digest.of(b"2"), Digest.of(b"1", "sha512")]
    files = {digest: layout.file(layout.blob_path(digest), b"1", 1) for digest in reversed(digests)}
    entries = layout.blobs(files, mtime_s=7)
    assert [(one.path, one.mtime_s) for one in entries if one.path.endswith("/")] == [
        ("blobs/", 7),
        ("blobs/sha256/", 0),
        ("blobs/sha512/", 0),
    ]
    paths = [one.path for one in entries]
    assert paths == sorted(paths)
    assert len(paths) == 6


def test_only_tags_of_several_repositories_are_shared() -> None:
    assert layout.tags_of_several([A1, A1, A2]) == frozenset()
    assert layout.tags_of_several([A1, A2, B1]) == {"1"}


def test_a_shared_tag_is_written_with_its_repository() -> None:
    assert layout.names(A1, frozenset({"1"})) == {
        "io.containerd.image.name": "docker.io/library/a:1",
        "org.opencontainers.image.ref.name": "docker.io/library/a:1",
    }
    assert layout.names(A1, frozenset())["org.opencontainers.image.ref.name"] == "1"


def test_a_root_has_one_descriptor_for_each_tag_or_one_without_a_name() -> None:
    made = Layout()
    descriptor = made.image(b"layer")
    document = Document.parse(made.blobs[descriptor["digest"]])
    tagged = layout.descriptors(
        SavedRoot(document.digest, (A1, A2)), {document.digest: document}, frozenset()
    )
    assert [one["annotations"]["io.containerd.image.name"] for one in tagged] == [
        "docker.io/library/a:1",
        "docker.io/library/a:2",
    ]
    (bare,) = layout.descriptors(
        SavedRoot(document.digest), {document.digest: document}, frozenset()
    )
    assert "annotations" not in bare
    assert (bare["digest"], bare["size"]) == (descriptor["digest"], descriptor["size"])


def test_a_referrer_names_its_subject_if_the_archive_has_it() -> None:
    made = Layout()
    image = made.image(b"layer")
    signature = made.artifact(b"signed", subject=image)
    subject, referrer = (Document.parse(made.blobs[one["digest"]]) for one in (image, signature))
    both = {one.digest: one for one in (subject, referrer)}

    def annotations(root: SavedRoot, documents: dict[Digest, Document]) -> list[object]:
        described = layout.descriptors(root, documents, frozenset())
        return [list(one.get("annotations", {}).items()) for one in described]

    named = ("io.containerd.manifest.subject", image["digest"])
    assert annotations(SavedRoot(referrer.digest), both) == [[named]]
    assert annotations(SavedRoot(referrer.digest, (A1,)), both) == [
        [
            ("io.containerd.image.name", "docker.io/library/a:1"),
            named,
            ("org.opencontainers.image.ref.name", "1"),
        ]
    ]
    assert annotations(SavedRoot(referrer.digest), {referrer.digest: referrer}) == [[]]
    assert annotations(SavedRoot(subject.digest), both) == [[]]
