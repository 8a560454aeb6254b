"""What image layouts call things: their files, and the annotations that name images in ``index.json`` (OCI image-spec, image-layout.md)."""

from __future__ import annotations

from typing import Final

LAYOUT: Final = "oci-layout"
INDEX: Final = "index.json"

CONTAINERD_NAME: Final = "io.containerd.image.name"
REF_NAME: Final = "org.opencontainers.image.ref.name"
