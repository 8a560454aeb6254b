"""Work in the background of a running registry."""

from __future__ import annotations

from typing import TYPE_CHECKING

from store.model.digests import Digest
from tests.support import images
from tests.support.layouts import MANIFEST, encode
from tests.support.pushes import push
from tests.support.waiting import until

if TYPE_CHECKING:
    from store import Store
    from tests.support.mirror_in_process import Served


def test_pushed_image_is_verified_in_the_background(ask: Served, store: Store) -> None:
    import gzip

    from store.model.digests import DiffID

    blob = gzip.compress(images.A)
    config = images.config(images.A)
    push(ask, config)
    push(ask, blob)
    layer = {
        "mediaType": "application/vnd.oci.image.layer.v1.tar+gzip",
        "digest": str(Digest.of(blob)),
        "size": len(blob),
    }
    about = {
        "mediaType": "application/vnd.oci.image.config.v1+json",
        "digest": str(Digest.of(config)),
        "size": len(config),
    }
    assert (
        ask(
            "PUT",
            "/v2/app/manifests/1",
            encode({"schemaVersion": 2, "config": about, "layers": [layer]}),
            Content_Type=MANIFEST,
        ).status
        == 201
    )
    diff = DiffID(Digest.of(images.A)).digest
    until(lambda: store.sources((diff,))[diff].encodings)
