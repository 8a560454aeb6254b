"""Blobs and images that a client pushes to a registry."""

from __future__ import annotations

import gzip
from typing import TYPE_CHECKING, Any, Final

from store import ImageID
from store.model.digests import Digest
from store.model.references import Repository
from tests.support import images
from tests.support.layouts import CONFIG, LAYER, MANIFEST, encode

if TYPE_CHECKING:
    from store.registry.registry import Registry

APP: Final = Repository("docker.io", "team/app")
OTHER: Final = Repository("docker.io", "team/other")


def push_blob(
    registry: Registry, data: bytes, repository: Repository = APP, algorithm: str = "sha256"
) -> Digest:
    digest = Digest.of(data, algorithm)
    with registry.uploads.once(repository) as upload:
        upload.write(data)
        upload.finish(digest)
    return digest


def descriptor(data: bytes, media_type: str, **members: object) -> dict[str, Any]:
    return {"mediaType": media_type, "digest": str(Digest.of(data)), "size": len(data), **members}


def image_manifest(
    *blobs: tuple[bytes, bytes], diffs: tuple[bytes, ...] | None = None, **members: object
) -> tuple[bytes, bytes]:
    """Return an image's config and manifest; ``blobs`` has the diff and the blob of each layer."""
    config = images.config(*(diffs if diffs is not None else [plain for plain, _ in blobs]))
    layers = [descriptor(blob, f"{LAYER}+gzip") for _, blob in blobs]
    document = {
        "schemaVersion": 2,
        "mediaType": MANIFEST,
        "config": descriptor(config, CONFIG),
        "layers": layers,
        **members,
    }
    return config, encode(document)


def push_image(
    registry: Registry,
    *blobs: tuple[bytes, bytes],
    tags: tuple[str, ...] = ("1",),
    diffs: tuple[bytes, ...] | None = None,
) -> tuple[ImageID, Digest]:
    config, manifest = image_manifest(*blobs, diffs=diffs)
    for data in (config, *(blob for _, blob in blobs)):
        push_blob(registry, data)
    done = registry.put_manifest(APP, manifest, media_type=MANIFEST, digest=None, tags=tags)
    return ImageID.of(config), done.digest


def squeezed(data: bytes) -> bytes:
    return gzip.compress(data, mtime=0)
