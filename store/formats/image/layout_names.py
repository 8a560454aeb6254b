"""Names in an image layout: its files, and the annotations in ``index.json`` that name images.

Source: OCI image-spec, image-layout.md.
"""

from __future__ import annotations

import re
from typing import Final

from store.model.digests import DEFAULT_ALGORITHM

LAYOUT: Final = "oci-layout"
INDEX: Final = "index.json"

CONTAINERD_NAME: Final = "io.containerd.image.name"
REF_NAME: Final = "org.opencontainers.image.ref.name"
SUBJECT: Final = "io.containerd.manifest.subject"
"""The annotation of containerd on a referrer in ``index.json``: the digest of its subject."""

BASE_NAME: Final = "org.opencontainers.image.base.name"
DISTRIBUTION_SOURCE: Final = "containerd.io/distribution.source."
"""The beginning of containerd's annotations for repositories; a registry's domain follows it."""

ATTESTED: Final = "vnd.docker.reference.digest"
"""The annotation of an attestation in an index: the digest of the manifest it describes.

Source: BuildKit, attestation-storage.md.
"""


_BLOB_PATH: Final = re.compile(
    r"(?:.*/)?(?:blobs/(?P<in_layout>sha256|sha512)/[0-9a-f]+"
    r"|(?P<in_dir>sha512)-[0-9a-f]{128}(?:\.manifest\.json)?)",
    re.DOTALL,
)
"""The path of a blob in a layout, which may be in a folder of the archive, or in a ``dir:`` folder.

A name in a ``dir:`` folder states the algorithm only if it is not sha256.

Source: containers/image, directory/directory_transport.go (version 1.2 of the format).
"""


def blob_algorithm(path: str) -> tuple[str, bool]:
    """Return the digest algorithm in a blob's path, and whether the path is that of a blob.

    Args:
        path: A member's name as the archive has it, for example ``./blobs/sha256/…``.

    Returns:
        The default algorithm and False for a path that states no algorithm.
    """
    match = _BLOB_PATH.fullmatch(path)
    return (match["in_layout"] or match["in_dir"], True) if match else (DEFAULT_ALGORITHM, False)
