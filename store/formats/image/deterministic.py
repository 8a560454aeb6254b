"""The manifest that the store makes for an image that was imported without a manifest."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from store.formats.image.media_types import OCI_CONFIG, OCI_LAYER, OCI_MANIFEST

if TYPE_CHECKING:
    from collections.abc import Sequence

    from store.formats.image.config import ImageConfig


def deterministic_manifest(config: ImageConfig, sizes: Sequence[int]) -> bytes:
    """Return the manifest that Docker ≥ 25.0.6 writes into its archives for an image.

    The manifest lists uncompressed layers and depends only on the image (docker-archive.md §9).

    Args:
        config: The image's config.
        sizes: Size of each layer's tar in bytes, base first.
    """
    document = {
        "schemaVersion": 2,
        "mediaType": OCI_MANIFEST,
        "config": {
            "mediaType": OCI_CONFIG,
            "digest": str(config.image_id),
            "size": len(config.data),
        },
        "layers": [
            {"mediaType": OCI_LAYER, "digest": str(diff), "size": size}
            for diff, size in zip(config.diff_ids, sizes, strict=True)
        ],
    }
    return json.dumps(document, separators=(",", ":")).encode()
