"""The manifest that is generated for an image if its archive contains no manifest."""

from __future__ import annotations

import json

import pytest

from store.formats.image.config import ImageConfig
from store.formats.image.described_image import claims_image
from store.formats.image.deterministic import deterministic_manifest, holding_index
from store.formats.image.manifests import Document, Kind, Link
from store.formats.image.media_types import OCI_LAYER
from store.model.digests import Digest
from tests.support import docker_vectors

CONFIG = ImageConfig.parse(docker_vectors.V2)


def test_the_manifest_names_the_config_and_the_layers_by_diff_id() -> None:
    manifest = Document.parse(deterministic_manifest(CONFIG, [10, 20]))
    assert manifest.kind is Kind.MANIFEST
    assert claims_image(manifest)
    assert manifest.config is not None
    assert manifest.config.target.size_bytes == len(docker_vectors.V2)
    assert str(manifest.config.digest) == str(CONFIG.image_id)
    assert [
        (str(link.digest), link.target.size_bytes, link.target.media_type)
        for link in manifest.layers
    ] == [(docker_vectors.DIFF_A, 10, OCI_LAYER), (docker_vectors.DIFF_B, 20, OCI_LAYER)]


def test_the_text_is_compact_and_has_its_members_in_dockers_order() -> None:
    text = deterministic_manifest(ImageConfig.parse(docker_vectors.V1), [10])
    assert text.startswith(
        b'{"schemaVersion":2,"mediaType":"application/vnd.oci.image.manifest.v1+json","config":{'
    )
    assert b" " not in text


def test_each_layer_needs_a_size() -> None:
    with pytest.raises(ValueError, match="shorter"):
        deterministic_manifest(CONFIG, [10])


def test_the_index_that_holds_content_lists_it_with_all_of_its_members() -> None:
    descriptor = {
        "mediaType": "text/plain",
        "digest": str(Digest.of(b"text")),
        "size": 4,
        "urls": ["https://example.org/x"],
        "annotations": {"b": "2", "a": "1"},
        "data": "dGV4dA==",
        "platform": {"architecture": "arm64", "os": "linux"},
        "artifactType": "text/x",
    }
    data = holding_index(_only_link(descriptor))
    again = holding_index(Document.parse(data).children[0])
    assert data == again
    assert json.loads(data)["manifests"] == [descriptor]
    names = {"org.opencontainers.image.ref.name": "a:1", "io.containerd.image.name": "a:1"}
    assert holding_index(_only_link({**descriptor, "annotations": names})) == holding_index(
        _only_link({**descriptor, "annotations": {}})
    )


def _only_link(descriptor: dict[str, object]) -> Link:
    index = {"schemaVersion": 2, "manifests": [descriptor]}
    return Document.parse(json.dumps(index).encode()).children[0]
