"""Typed views of manifests and indexes."""

from __future__ import annotations

import base64
import json
from typing import TYPE_CHECKING

import pytest

from store.errors import DigestMismatch, InvalidDocument, TooLarge
from store.formats.image.manifests import Document, Kind, Role
from store.formats.image.media_types import (
    DOCKER_LIST,
    OCI_CONFIG,
    OCI_INDEX,
    OCI_LAYER,
    OCI_MANIFEST,
    SCHEMA_1,
    WITHDRAWN,
)
from store.model.digests import Digest
from store.model.limits import Limits

if TYPE_CHECKING:
    from collections.abc import Mapping

A, B = str(Digest.of(b"a")), str(Digest.of(b"b"))
CONFIG = {"mediaType": OCI_CONFIG, "digest": A, "size": 1}
LAYER = {"mediaType": OCI_LAYER, "digest": B, "size": 1}
CHILD = {"mediaType": OCI_MANIFEST, "digest": A, "size": 1}


def document(members: Mapping[str, object], media_type: str = "") -> Document:
    data = json.dumps({"schemaVersion": 2, **members}).encode()
    return Document.parse(data, media_type=media_type, name="it")


def refusal(members: Mapping[str, object], media_type: str = "") -> str:
    with pytest.raises(InvalidDocument) as caught:
        document(members, media_type)
    assert caught.value.document is not None
    return caught.value.message


def test_a_manifest_has_links_in_order_and_by_role() -> None:
    read = document({"config": CONFIG, "layers": [LAYER, CONFIG], "annotations": {"k": "v"}})
    assert (read.kind, read.media_type) == (Kind.MANIFEST, OCI_MANIFEST)
    assert read.config is not None
    assert str(read.config.digest) == A
    assert [(str(link.digest), link.position) for link in read.layers] == [(B, 0), (A, 1)]
    assert read.children == ()
    assert read.annotations == {"k": "v"}


def test_an_index_has_children_with_normalised_platforms() -> None:
    platform = {"os": "linux", "architecture": "aarch64"}
    read = document({"manifests": [{**CHILD, "platform": platform}, CHILD]})
    assert (read.kind, read.media_type) == (Kind.INDEX, OCI_INDEX)
    first, second = read.children
    assert str(first.made_for) == "linux/arm64"
    assert first.platform == platform
    assert second.made_for is None


def test_a_child_without_a_media_type_counts_as_a_document() -> None:
    untyped = {key: value for key, value in CHILD.items() if key != "mediaType"}
    read = document({"manifests": [CHILD, untyped, {**CHILD, "mediaType": OCI_LAYER}]})
    assert [link.is_document for link in read.children] == [True, True, False]


def test_the_media_type_of_the_descriptor_decides_when_the_document_has_none() -> None:
    assert document({}, DOCKER_LIST).kind is Kind.INDEX
    assert document({"manifests": []}, "").media_type == OCI_INDEX


def test_two_documents_are_equal_when_their_bytes_are() -> None:
    assert document({"manifests": []}) == document({"manifests": []}, OCI_INDEX)
    assert document({"manifests": []}) != document({"manifests": None, "mediaType": OCI_INDEX})


@pytest.mark.parametrize("media_type", WITHDRAWN)
def test_a_withdrawn_type_is_refused_with_the_specification(media_type: str) -> None:
    # Such manifests had no schemaVersion, so the type is looked at first.
    data = json.dumps({"mediaType": media_type, "blobs": []}).encode()
    for stated in ("", media_type):
        with pytest.raises(InvalidDocument) as caught:
            Document.parse(data, media_type=stated)
        assert media_type in caught.value.message
        assert "withdr" in caught.value.message
    with pytest.raises(InvalidDocument, match="withdr"):
        document({"blobs": []}, media_type)


@pytest.mark.parametrize("media_type", WITHDRAWN)
def test_a_stored_manifest_of_a_withdrawn_type_can_be_read(media_type: str) -> None:
    data = json.dumps({"schemaVersion": 2, "mediaType": media_type, "blobs": [LAYER]}).encode()
    read = Document.parse(data, is_stored=True)
    assert (read.kind, read.media_type) == (Kind.MANIFEST, media_type)
    assert [str(link.digest) for link in read.of_role(Role.BLOB)] == [B]


def test_the_artifact_type_falls_back_to_that_of_the_config() -> None:
    assert document({"config": CONFIG, "layers": []}).effective_artifact_type == OCI_CONFIG
    typed = {"config": CONFIG, "layers": [], "artifactType": "x/y"}
    assert document(typed).effective_artifact_type == "x/y"
    assert document({"manifests": []}).effective_artifact_type == ""


def test_embedded_data_is_checked_against_its_descriptor() -> None:
    embedded = {**CONFIG, "data": base64.b64encode(b"a").decode()}
    config = document({"config": embedded, "layers": []}).config
    assert config is not None
    assert config.data == b"a"
    for wrong in (b"b", b"aa"):
        with pytest.raises(DigestMismatch):
            document({"config": {**CONFIG, "data": base64.b64encode(wrong).decode()}})
    assert "invalid base64 in data" in refusal({"config": {**CONFIG, "data": "?"}})


def test_the_subject_is_a_descriptor_and_not_a_link() -> None:
    read = document({"config": CONFIG, "layers": [], "subject": CHILD})
    assert read.subject is not None
    assert str(read.subject.digest) == A
    assert [link.role for link in read.links] == [Role.CONFIG]


@pytest.mark.parametrize(
    ("members", "media_type", "message"),
    [
        ({"schemaVersion": 3}, "", "it: invalid schemaVersion 3: expected 2"),
        ({"schemaVersion": 0}, "", "it: missing schemaVersion: expected 2"),
        ({"schemaVersion": 1}, "", "it: Docker schema 1 manifests are not supported"),
        ({}, min(SCHEMA_1), "it: Docker schema 1 manifests are not supported"),
        ({}, "", "it: unknown document: neither a manifest"),
        ({}, "text/plain", "it: unknown media type 'text/plain'"),
        ({"layers": []}, "", "it: the manifest has no config"),
        (
            {"layers": [], "manifests": []},
            "",
            "it: ambiguous document",
        ),
        ({"config": CONFIG}, OCI_INDEX, "it: the document has the media type of an index, but the"),
        (
            {"manifests": []},
            OCI_MANIFEST,
            "it: the document has the media type of a manifest, but the",
        ),
        ({"mediaType": OCI_INDEX}, OCI_MANIFEST, f"it: mediaType is {OCI_INDEX!r}, but the"),
        ({"manifests": [{}]}, "", "it: child 0: invalid digest ''"),
    ],
)
def test_documents_that_readers_could_take_for_different_ones_are_refused(
    members: dict[str, object], media_type: str, message: str
) -> None:
    assert refusal(members, media_type).startswith(message)


def test_a_digest_under_a_key_in_another_case_is_refused() -> None:
    hidden = {**LAYER, "DIGEST": A}
    assert "layers[0]: some readers read the member 'DIGEST' as 'digest'" in refusal(
        {"config": CONFIG, "layers": [hidden]}
    )


def test_the_lists_of_a_document_have_a_ceiling() -> None:
    index = json.dumps({"schemaVersion": 2, "manifests": [CHILD] * 3}).encode()
    limits = Limits(manifest_entries=3)
    assert len(Document.parse(index, limits=limits).children) == 3
    with pytest.raises(TooLarge) as caught:
        Document.parse(index, limits=Limits(manifest_entries=2))
    assert caught.value.limit == 2
