from __future__ import annotations

import gzip
import io
from typing import TYPE_CHECKING

import pytest

import exporter
from exporter.selection.document_reader import keep_going
from exporter.selection.verified import verify
from store.errors import DiffMismatch
from store.model.digests import Digest
from store.model.references import Repository
from store.model.remedies import Remedy
from store.registry.registry import Registry
from tests.support import images
from tests.support.layouts import MANIFEST, encode

if TYPE_CHECKING:
    from store import Store


def push(store: Store, layer: bytes, claimed: bytes) -> None:
    """Push an image with the layer ``layer`` and a config that lists the digest of ``claimed``."""
    registry, name = Registry(store), Repository.parse("pushed")
    config = images.config(claimed)
    for data in (layer, config):
        with registry.uploads.once(name) as upload:
            upload.write(data)
            upload.finish(Digest.of(data))
    described = {
        "mediaType": "application/vnd.oci.image.config.v1+json",
        "digest": str(Digest.of(config)),
        "size": len(config),
    }
    layers = [
        {
            "mediaType": "application/vnd.oci.image.layer.v1.tar+gzip",
            "digest": str(Digest.of(layer)),
            "size": len(layer),
        }
    ]
    data = encode(
        {"schemaVersion": 2, "mediaType": MANIFEST, "config": described, "layers": layers}
    )
    assert (
        registry.put_manifest(name, data, media_type=MANIFEST, digest=None, tags=["1"]).image_id
        is not None
    )


def test_a_pushed_image_is_verified_when_its_diffs_are_first_needed(store: Store) -> None:
    push(store, gzip.compress(images.A), images.A)
    sink = io.BytesIO()
    with exporter.open_save(store, ["pushed:1"]) as export:
        export.write(sink)
    assert images.A in sink.getvalue()


def test_an_image_with_other_diff_ids_is_saved_only_as_it_is(store: Store) -> None:
    push(store, gzip.compress(images.A), images.B)
    for options in (
        exporter.SaveOptions(),
        exporter.SaveOptions(exporter.Format.OCI, layers=exporter.Layers.PLAIN),
    ):
        with pytest.raises(DiffMismatch), exporter.open_save(store, ["pushed:1"], options=options):
            pass
    with exporter.open_save(
        store, ["pushed:1"], options=exporter.SaveOptions(exporter.Format.OCI)
    ) as export:
        export.write(io.BytesIO())


def test_the_error_names_the_image_and_a_remedy(store: Store) -> None:
    push(store, gzip.compress(images.A), images.B)
    image_id = store.inspect("pushed:1").image_id
    assert image_id is not None
    (manifest,) = store.images()[0].manifests
    for manifests, images_ in (((manifest,), ()), ((), (image_id,))):
        with pytest.raises(DiffMismatch) as caught:
            verify(store, manifests, images_, keep_going, ["pushed:1"])
        assert "the layers of pushed:1: " in caught.value.message
        assert caught.value.image_id == image_id
        assert caught.value.remedy is Remedy.SAVE_AS_OCI_OR_DOCKER


def test_a_known_result_is_not_computed_again(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    push(store, gzip.compress(images.A), images.A)
    image_id = store.inspect("pushed:1").image_id
    assert image_id is not None
    manifests = store.images()[0].manifests
    verify(store, manifests, [], keep_going)
    monkeypatch.setattr(store, "verify_image", lambda _: pytest.fail("verified already"))
    verify(store, manifests, [image_id], keep_going)
