"""A blob, an image that needs the blob, and ways to damage the blob in a store."""

from __future__ import annotations

import os
import random
from typing import TYPE_CHECKING

from store.catalog.checking import marks
from store.model.digests import Digest
from tests.support.layouts import CONFIG, LAYER, MANIFEST, encode

if TYPE_CHECKING:
    from store import Store
    from tests.support.mirror_in_process import InProcessMirror

DATA = random.Random(14).randbytes(5000)
DIGEST = Digest.of(DATA)
CONFIG_DATA = encode(
    {
        "architecture": "amd64",
        "os": "linux",
        "rootfs": {"type": "layers", "diff_ids": [str(DIGEST)]},
    }
)
IMAGE = encode(
    {
        "schemaVersion": 2,
        "mediaType": MANIFEST,
        "config": {
            "mediaType": CONFIG,
            "digest": str(Digest.of(CONFIG_DATA)),
            "size": len(CONFIG_DATA),
        },
        "layers": [{"mediaType": LAYER, "digest": str(DIGEST), "size": len(DATA)}],
    }
)


def mark_damaged(store: Store, digest: Digest) -> None:
    """Mark a digest as damaged, as `fsck` does when it finds wrong bytes."""
    with store.write("test") as connection:
        marks.mark_damaged(connection, digest)


def record_damage(store: Store) -> None:
    """Record the blob as damaged, as `fsck` does."""
    mark_damaged(store, DIGEST)


def remove_file(store: Store) -> None:
    """Remove the blob's file."""
    store.blobs.path(DIGEST).unlink()


def truncate_file(store: Store) -> None:
    """Truncate the blob's file to 4096 bytes."""
    os.truncate(store.blobs.path(DIGEST), 4096)


HARM = [record_damage, remove_file, truncate_file]


def push_status(ask: InProcessMirror, data: bytes, name: str = "one") -> int:
    """Push a blob; return the status code of the answer."""
    return ask("POST", f"/v2/{name}/blobs/uploads/?digest={Digest.of(data)}", data).status
