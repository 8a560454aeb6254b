"""What image layouts call things: their files, and the annotations that name images in ``index.json`` (OCI image-spec, image-layout.md)."""

from __future__ import annotations

import re
from typing import Final

from store.model.digests import DEFAULT_ALGORITHM

LAYOUT: Final = "oci-layout"
INDEX: Final = "index.json"

CONTAINERD_NAME: Final = "io.containerd.image.name"
REF_NAME: Final = "org.opencontainers.image.ref.name"


_BLOB_PATH: Final = re.compile(r"blobs/(?P<algorithm>sha256|sha512)/[0-9a-f]+")


_ROOT: Final = re.compile(r"(?:\./+)*")


def blob_algorithm(path: str) -> tuple[str, bool]:
    """The algorithm of the digest that a path in an image layout is made of, and whether it is such a path at all."""
    match = _BLOB_PATH.fullmatch(_ROOT.sub("", path, count=1))
    return (match["algorithm"], True) if match else (DEFAULT_ALGORITHM, False)
