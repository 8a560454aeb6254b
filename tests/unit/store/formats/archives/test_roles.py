"""The roles of entries in index.json: images, and what cosign and hauler attach to them."""

from __future__ import annotations

import pytest

from store.formats.archives.claims import Attachment, Root
from store.formats.archives.oci_layout import claim
from store.formats.archives.roles import (
    Attached,
    attachment_of_tag,
    is_attached,
    is_haul,
    stated_kind,
    unlisted_referrers,
    with_attachments,
)
from store.model.digests import Digest
from store.model.limits import DEFAULT_LIMITS
from tests.support.images import A, B
from tests.support.layouts import Layout
from tests.support.memory_files import MemoryFiles

IMAGE, OTHER, SIGNATURE = (Digest.of(data) for data in (b"image", b"other", b"signature"))
NAME = "docker.io/library/app:1"


@pytest.mark.parametrize(
    ("kind", "stated", "attached"),
    [
        ("dev.cosignproject.cosign/image", "image", False),
        ("dev.cosignproject.cosign/imageIndex", "imageIndex", False),
        ("dev.cosignproject.cosign/sigs", "sigs", True),
        ("dev.cosignproject.cosign/atts", "atts", True),
        ("dev.hauler/sboms", "sboms", True),
        ("dev.hauler/referrers/0123", "referrers", True),
        ("dev.hauler/image", "image", False),
        ("example.org/sigs", "", False),
        ("", "", False),
    ],
)
def test_the_kind_states_the_role(kind: str, stated: str, attached: bool) -> None:
    assert stated_kind({"kind": kind} if kind else {}) == stated
    assert is_attached(stated) is attached


def test_tags_of_cosign_name_an_attachment() -> None:
    for suffix in (".sig", ".att", ".sbom", ""):
        made = Attachment(IMAGE, suffix)
        assert made.tag == f"sha256-{IMAGE.hex}{suffix}"
        assert attachment_of_tag(made.tag) == made
    for tag in ("latest", f"sha256-{IMAGE.hex}.txt", f"sha256-{IMAGE.hex[:-1]}.sig"):
        assert attachment_of_tag(tag) is None


def test_an_attachment_belongs_to_the_image_with_the_same_name() -> None:
    notes: list[str] = []
    roots = with_attachments(
        [Root(IMAGE, (NAME,)), Root(OTHER, ("docker.io/library/b:1",)), Root(SIGNATURE)],
        [Attached(SIGNATURE, "sigs", NAME)],
        notes,
    )
    assert [root.attachment for root in roots] == [None, None, Attachment(IMAGE, ".sig")]
    assert notes == []


def test_an_attachment_without_a_name_belongs_to_the_only_image() -> None:
    notes: list[str] = []
    roots = with_attachments(
        [Root(IMAGE), Root(SIGNATURE)], [Attached(SIGNATURE, "atts", "")], notes
    )
    assert roots[1].attachment == Attachment(IMAGE, ".att")
    with_attachments(
        [Root(IMAGE), Root(OTHER), Root(SIGNATURE)], [Attached(SIGNATURE, "sigs", "")], notes
    )
    assert notes == [
        f"{SIGNATURE} has no name: the archive does not say which image it belongs to (kind sigs)"
    ]


def test_a_referrer_of_hauler_is_found_by_its_subject_alone() -> None:
    notes: list[str] = []
    roots = with_attachments(
        [Root(IMAGE, (NAME,)), Root(SIGNATURE)], [Attached(SIGNATURE, "referrers", NAME)], notes
    )
    assert [root.attachment for root in roots] == [None, None]
    assert notes == []


def test_a_tag_of_cosign_makes_an_attachment_unless_there_are_other_tags() -> None:
    tag = Attachment(IMAGE, ".sig").tag
    roots = with_attachments(
        [
            Root(SIGNATURE, (f"docker.io/library/app:{tag}",)),
            Root(OTHER, ("docker.io/library/b:1",), (tag,)),
        ],
        [],
        [],
    )
    assert [root.attachment for root in roots] == [Attachment(IMAGE, ".sig"), None]


def test_a_signature_without_a_name_does_not_belong_to_a_referrer() -> None:
    bundle = Root(OTHER, subject=IMAGE)
    roots = with_attachments(
        [Root(IMAGE), bundle, Root(SIGNATURE)], [Attached(SIGNATURE, "sigs", "")], []
    )
    assert [root.attachment for root in roots] == [None, None, Attachment(IMAGE, ".sig")]


def unlisted(layout: Layout, *extra: tuple[str, bytes]) -> list[str]:
    files = MemoryFiles(layout.members() | dict(extra))
    listed = {Digest.parse(root["digest"]) for root in layout.roots}
    return [str(link.digest) for link in unlisted_referrers(files, listed, DEFAULT_LIMITS, [])]


def test_a_manifest_is_found_by_its_subject() -> None:
    layout = Layout()
    image = layout.root(layout.image(A))
    bundle = layout.artifact(b"bundle", subject=image)
    layout.artifact(b"other", subject=layout.image(B))
    assert unlisted(layout) == [bundle["digest"]]


def test_other_files_are_passed_over() -> None:
    layout = Layout()
    image = layout.root(layout.image(A))
    layout.root(layout.artifact(b"listed", subject=image))
    large = layout.artifact(b"large", subject=image, annotations={"a": "b" * (16 << 10)})
    assert large["digest"] in layout.blobs
    junk = [(f"blobs/sha256/{digit * 64}", data) for digit, data in (("1", b"{"), ("2", b"{}"))]
    assert unlisted(layout, *junk, ("blobs/sha256/readme", b"{}")) == []
    assert unlisted_referrers(MemoryFiles({}), (), DEFAULT_LIMITS, []) == []


def test_the_search_for_bundles_ends_at_a_ceiling() -> None:
    layout = Layout()
    image = layout.root(layout.image(A))
    layout.artifact(b"bundle", subject=image)
    small = {f"blobs/sha256/{number:064x}": bytes(16 << 10) for number in range(1100)}
    files = MemoryFiles(layout.members() | small)
    notes: list[str] = []
    assert unlisted_referrers(files, (), DEFAULT_LIMITS, notes) == []
    assert len(notes) == 1
    assert "too many small ones" in notes[0]


def test_only_layouts_of_cosign_are_searched() -> None:
    for kind, count in (({"kind": "dev.cosignproject.cosign/image"}, 2), ({}, 1)):
        layout = Layout()
        image = layout.root(layout.image(A), **kind)
        layout.artifact(b"bundle", subject=image)
        files = MemoryFiles(layout.members())
        assert len(claim(files, DEFAULT_LIMITS, lambda _: None).graph.roots) == count


@pytest.mark.parametrize(
    ("index", "answer"),
    [
        (b'{"annotations": {"kind" : "dev.hauler/image"}}', True),
        (b'{"annotations":{"kind":"dev.cosignproject.cosign/imageIndex"}}', True),
        (b'{"annotations":{"kind":"devxhauler/image"}}', False),
        (b'{"annotations":{"unkind":"dev.hauler/image"}}', False),
        (b"", False),
    ],
)
def test_an_index_of_hauler_is_known_by_a_kind(index: bytes, answer: bool) -> None:
    assert is_haul(index) is answer


def test_a_layout_may_lack_the_file_with_its_version() -> None:
    layout = Layout()
    root = layout.root(layout.image(A), kind="dev.hauler/image")
    files = layout.members()
    del files["oci-layout"]
    graph = claim(MemoryFiles(files), DEFAULT_LIMITS, lambda _: None).graph
    assert [str(one.digest) for one in graph.roots] == [root["digest"]]
