"""The roles of entries in index.json: images, and what cosign and hauler attach to them."""

from __future__ import annotations

import pytest

from store.formats.archives.claims import Attachment, Root
from store.formats.archives.roles import (
    Attached,
    attachment_of_tag,
    is_attached,
    stated_kind,
    with_attachments,
)
from store.model.digests import Digest

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
