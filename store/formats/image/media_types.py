"""Media types of images, with functions that classify them.

A media type never decides how a blob is decompressed.
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

WITHDRAWN: Final = {
    "application/vnd.oci.artifact.manifest.v1+json": (
        "the OCI image-spec withdrew the artifact manifest before the release of version 1.1"
    ),
    "application/vnd.cncf.oras.artifact.manifest.v1+json": (
        "the ORAS artifacts-spec was withdrawn in favour of OCI image-spec 1.1"
    ),
}
"""Types of manifests that were pushed but never standardised, and what became of each.

Older versions of this program stored such manifests, so that stores may hold some.
"""

MANIFESTS: Final = frozenset({OCI_MANIFEST, DOCKER_MANIFEST, *WITHDRAWN})
"""Documents that point at blobs."""

INDEXES: Final = frozenset({OCI_INDEX, DOCKER_LIST})
"""Documents that point at manifests."""

SCHEMA_1: Final = frozenset(
    {
        "application/vnd.docker.distribution.manifest.v1+json",
        "application/vnd.docker.distribution.manifest.v1+prettyjws",
    }
)
"""Docker's manifests from before 1.10, which do not name a config by its digest."""

IMAGE_CONFIGS: Final = frozenset({OCI_CONFIG, DOCKER_CONFIG})
"""Configs of runnable images. Signatures use these types as well."""

_FOREIGN_PREFIXES: Final = (
    "application/vnd.oci.image.layer.nondistributable.v1.tar",
    "application/vnd.docker.image.rootfs.foreign.diff.tar",
)
_LAYER_PREFIXES: Final = (OCI_LAYER, DOCKER_LAYER, *_FOREIGN_PREFIXES)
_LAYER_SUFFIXES: Final = frozenset({"", "+gzip", "+zstd", ".gzip", ".zstd"})


def is_layer(media_type: str) -> bool:
    """Whether this is the type of a layer's tar, compressed or not; False for encrypted layers."""
    return any(
        media_type.startswith(prefix) and media_type.removeprefix(prefix) in _LAYER_SUFFIXES
        for prefix in _LAYER_PREFIXES
    )


def is_foreign_layer(media_type: str) -> bool:
    """Whether this is the type of a layer under a restricted licence.

    A manifest lists such a layer with the URLs that serve it.
    """
    return media_type.startswith(_FOREIGN_PREFIXES) and is_layer(media_type)


def is_document(media_type: str) -> bool:
    """Whether this is the type of a manifest or an index."""
    return media_type in MANIFESTS or media_type in INDEXES
