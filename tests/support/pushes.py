"""Pushes to a registry that runs in this process."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

from store.model.digests import Digest
from tests.support.layouts import MANIFEST, encode

if TYPE_CHECKING:
    from store import Store
    from tests.support.mirror_in_process import InProcessMirror


def push(ask: InProcessMirror, data: bytes, name: str = "app") -> str:
    """Push a blob, check that it is served, and return its digest."""
    digest = str(Digest.of(data))
    answer = ask("POST", f"/v2/{name}/blobs/uploads/?digest={digest}", data)
    assert answer.status == 201, answer.body
    assert ask("GET", answer.headers["Location"]).body == data
    return digest


def artifact(ask: InProcessMirror, **members: object) -> bytes:
    """Push an empty config; return a manifest with this config and further ``members``."""
    config = push(ask, b"{}")
    return encode(
        {
            "schemaVersion": 2,
            "mediaType": MANIFEST,
            "config": {"mediaType": "a/b", "digest": config, "size": 2},
            "layers": [],
            **members,
        }
    )


def import_archive(store: Store, archive: bytes) -> None:
    """Import an archive from memory."""
    store.import_archive(io.BytesIO(archive))
