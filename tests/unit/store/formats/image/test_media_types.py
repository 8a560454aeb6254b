"""The recognition of layers, manifests and indexes by their media types."""

from __future__ import annotations

import pytest

from store.formats.image import media_types


@pytest.mark.parametrize(
    ("media_type", "layer", "foreign"),
    [
        (media_types.OCI_LAYER, True, False),
        (media_types.OCI_LAYER_GZIP, True, False),
        (media_types.OCI_LAYER_ZSTD, True, False),
        (media_types.DOCKER_LAYER, True, False),
        (media_types.DOCKER_LAYER_GZIP, True, False),
        (media_types.DOCKER_LAYER + ".zstd", True, False),
        (media_types.DOCKER_FOREIGN_LAYER, True, True),
        ("application/vnd.oci.image.layer.nondistributable.v1.tar+gzip", True, True),
        (media_types.OCI_LAYER + "+encrypted", False, False),
        (media_types.OCI_LAYER_GZIP + "+encrypted", False, False),
        (media_types.DOCKER_FOREIGN_LAYER + ".encrypted", False, False),
        (media_types.OCI_EMPTY, False, False),
        ("application/octet-stream", False, False),
        ("", False, False),
    ],
)
def test_layers_are_recognised_by_their_media_type(
    media_type: str, *, layer: bool, foreign: bool
) -> None:
    assert media_types.is_layer(media_type) is layer
    assert media_types.is_foreign_layer(media_type) is foreign


def test_manifests_and_indexes_are_documents_and_schema_1_is_not() -> None:
    for media_type in media_types.MANIFESTS | media_types.INDEXES:
        assert media_types.is_document(media_type)
    for media_type in media_types.SCHEMA_1 | media_types.IMAGE_CONFIGS | {""}:
        assert not media_types.is_document(media_type)
