from __future__ import annotations

from dataclasses import replace

import pytest

from store.formats.image.config import ImageConfig
from store.formats.image.described_image import (
    NotAnImage,
    ParsedConfig,
    claims_image,
    described_image,
    parse_config,
)
from store.formats.image.manifests import Document, Link
from store.model.digests import Digest
from store.model.limits import DEFAULT_LIMITS
from tests.support.images import A, B, config
from tests.support.layouts import CONFIG, EMPTY, INDEX, LAYER, MANIFEST, encode

SIGNATURE = "application/vnd.dev.cosign.simplesigning.v1+json"


def link(data: bytes, media_type: str) -> dict[str, object]:
    return {"mediaType": media_type, "digest": str(Digest.of(data)), "size": len(data)}


def manifest(
    data: bytes, *layers: bytes, config_type: str = CONFIG, layer_type: str = LAYER
) -> Document:
    return Document.parse(
        encode(
            {
                "schemaVersion": 2,
                "mediaType": MANIFEST,
                "config": link(data, config_type),
                "layers": [link(layer, layer_type) for layer in layers],
            }
        )
    )


def answer(document: Document, data: bytes) -> ParsedConfig:
    def read(target: Link) -> ParsedConfig:
        assert target.digest == Digest.of(data)
        return parse_config(data, DEFAULT_LIMITS, target.digest)

    return described_image(document, DEFAULT_LIMITS.inline_bytes, read)


def never(_: Link) -> ParsedConfig:
    raise AssertionError("the config must not be read")


def test_a_config_with_as_many_layers_as_the_manifest_makes_an_image() -> None:
    data = config(A, B)
    found = answer(manifest(data, A, B), data)
    assert isinstance(found, ImageConfig)
    assert found.image_id.digest == Digest.of(data)


def test_an_image_may_have_no_layers() -> None:
    assert isinstance(answer(manifest(config()), config()), ImageConfig)


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"{}", "invalid image JSON, no RootFS key"),
        (b"broken", "config sha256"),
        (b'{"rootfs":{"diff_ids":["md5:0"]}}', "rootfs.diff_ids[0]"),
        (b'{"rootfs":{"diff_ids":' + encode(["sha256:" + "0" * 64] * 10_001) + b"}}", "10001"),
    ],
    ids=["opa-bundle", "no-json", "odd-diff-id", "too-many-layers"],
)
def test_bytes_that_are_no_config_make_an_artifact(data: bytes, reason: str) -> None:
    found = answer(manifest(data, A), data)
    assert isinstance(found, NotAnImage)
    assert found.claims_image
    assert found.config is None
    assert reason in found.reason


def test_another_number_of_layers_makes_an_artifact_that_keeps_its_config() -> None:
    found = answer(manifest(config(), A), config())
    assert isinstance(found, NotAnImage)
    assert found.claims_image
    assert found.config is not None
    assert found.config.data == config()
    assert "1 layers" in found.reason


def test_other_media_types_claim_no_image_and_the_config_is_not_read() -> None:
    signature = manifest(config(A), A, layer_type=SIGNATURE)
    empty = manifest(b"{}", A, config_type=EMPTY)
    index = Document.parse(encode({"schemaVersion": 2, "mediaType": INDEX, "manifests": []}))
    for document, word in ((signature, SIGNATURE), (empty, EMPTY), (index, "no config")):
        assert not claims_image(document)
        found = described_image(document, DEFAULT_LIMITS.inline_bytes, never)
        assert isinstance(found, NotAnImage)
        assert not found.claims_image
        assert word in found.reason
    assert claims_image(manifest(b"{}", A))


def test_a_config_that_is_too_large_is_not_read() -> None:
    data = config(A)
    limits = replace(DEFAULT_LIMITS, inline_bytes=len(data) - 1)
    found = described_image(manifest(data, A), limits.inline_bytes, never)
    assert isinstance(found, NotAnImage)
    assert str(len(data)) in found.reason
