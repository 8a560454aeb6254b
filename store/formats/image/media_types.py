"""Media types, and the questions asked of them.

None of them says how bytes are compressed: that is read from the bytes.
"""

from __future__ import annotations

from typing import Final

OCI_MANIFEST: Final = "application/vnd.oci.image.manifest.v1+json"
OCI_INDEX: Final = "application/vnd.oci.image.index.v1+json"
OCI_CONFIG: Final = "application/vnd.oci.image.config.v1+json"
OCI_LAYER: Final = "application/vnd.oci.image.layer.v1.tar"
OCI_LAYER_GZIP: Final = f"{OCI_LAYER}+gzip"
OCI_LAYER_ZSTD: Final = f"{OCI_LAYER}+zstd"
OCI_EMPTY: Final = "application/vnd.oci.empty.v1+json"

DOCKER_MANIFEST: Final = "application/vnd.docker.distribution.manifest.v2+json"
DOCKER_LIST: Final = "application/vnd.docker.distribution.manifest.list.v2+json"
DOCKER_CONFIG: Final = "application/vnd.docker.container.image.v1+json"
DOCKER_LAYER_GZIP: Final = "application/vnd.docker.image.rootfs.diff.tar.gzip"
DOCKER_LAYER: Final = "application/vnd.docker.image.rootfs.diff.tar"
DOCKER_FOREIGN_LAYER: Final = "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip"

MANIFESTS: Final = frozenset(
    {
        OCI_MANIFEST,
        DOCKER_MANIFEST,
        "application/vnd.oci.artifact.manifest.v1+json",
        "application/vnd.cncf.oras.artifact.manifest.v1+json",
    }
)
"""Documents that point at blobs. The artifact manifests were never released, but were pushed."""

INDEXES: Final = frozenset({OCI_INDEX, DOCKER_LIST})
"""Documents that point at manifests."""

SCHEMA_1: Final = frozenset(
    {
        "application/vnd.docker.distribution.manifest.v1+json",
        "application/vnd.docker.distribution.manifest.v1+prettyjws",
    }
)
"""Docker's manifests from before 1.10, which no content addresses."""

IMAGE_CONFIGS: Final = frozenset({OCI_CONFIG, DOCKER_CONFIG})
"""Configs of images that run (or say that they do: signatures borrow the type)."""

_FOREIGN_PREFIXES: Final = (
    "application/vnd.oci.image.layer.nondistributable.v1.tar",
    "application/vnd.docker.image.rootfs.foreign.diff.tar",
)
_LAYER_PREFIXES: Final = (OCI_LAYER, DOCKER_LAYER, *_FOREIGN_PREFIXES)
_LAYER_SUFFIXES: Final = frozenset({"", "+gzip", "+zstd", ".gzip", ".zstd"})


def is_layer(media_type: str) -> bool:
    """Whether the bytes are a layer's tar, compressed or not.

    An encrypted layer is none: nobody here can read it.
    """
    return any(
        media_type.startswith(prefix) and media_type.removeprefix(prefix) in _LAYER_SUFFIXES
        for prefix in _LAYER_PREFIXES
    )


def is_foreign_layer(media_type: str) -> bool:
    """Whether it is a layer that not everybody may pass on: it stands in a manifest with the places to fetch it from."""
    return media_type.startswith(_FOREIGN_PREFIXES) and is_layer(media_type)


def is_document(media_type: str) -> bool:
    """Whether it is a manifest or an index."""
    return media_type in MANIFESTS or media_type in INDEXES
