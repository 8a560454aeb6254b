"""Documents that the store makes itself, with the same bytes in every store.

They are the manifest of an image that was imported without a manifest, and the index that holds
content of an unknown media type.
"""

from __future__ import annotations

import base64
import json
from typing import TYPE_CHECKING, Final

from store.formats.image.layout_names import CONTAINERD_NAME, REF_NAME
from store.formats.image.media_types import OCI_CONFIG, OCI_INDEX, OCI_LAYER, OCI_MANIFEST

if TYPE_CHECKING:
    from collections.abc import Sequence

    from store.formats.image.config import ImageConfig
    from store.formats.image.manifests import Link

_NAMES: Final = frozenset({CONTAINERD_NAME, REF_NAME})


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


def holding_index(link: Link) -> bytes:
    """Return an index that lists only the target of ``link``.

    The annotations that name the target are left out: the index has these names.

    Args:
        link: A link to content whose media type is neither that of a manifest nor of an index.
    """
    descriptor: dict[str, object] = {
        "mediaType": link.target.media_type,
        "digest": str(link.digest),
        "size": link.target.size_bytes,
    }
    annotations = {
        key: value for key, value in sorted(link.annotations.items()) if key not in _NAMES
    }
    members = {
        "urls": list(link.urls),
        "annotations": annotations,
        "data": None if link.data is None else base64.b64encode(link.data).decode(),
        "platform": None if link.platform is None else dict(link.platform),
        "artifactType": link.artifact_type,
    }
    descriptor |= {name: value for name, value in members.items() if value}
    document = {"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": [descriptor]}
    return json.dumps(document, separators=(",", ":")).encode()
