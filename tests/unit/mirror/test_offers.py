"""Images published in other encodings."""

from __future__ import annotations

import gzip
import io
import json
from typing import TYPE_CHECKING

import pytest
import zstandard

from mirror.service import MirrorSettings, Offer
from store.values import Digest
from tests.support import images
from tests.support.layouts import MANIFEST, encode

if TYPE_CHECKING:
    from collections.abc import Callable

    from store import Store
    from tests.support.served import Served


@pytest.fixture
def offering(store: Store, serve: Callable[..., Served]) -> Served:
    store.import_archive(io.BytesIO(images.image(images.A, images.B, tags=("demo:1",)).bytes()))
    return serve(MirrorSettings(offers=(Offer.ZSTD, Offer.GZIP)))


def decoded(data: bytes, encoding: str) -> bytes:
    if encoding == "gzip":
        return gzip.decompress(data)
    with zstandard.ZstdDecompressor().stream_reader(data, read_across_frames=True) as reader:
        return bytes(reader.read())


@pytest.mark.parametrize("encoding", ["zstd", "gzip"])
def test_a_variant_is_the_same_image_in_other_layers(encoding: str, offering: Served, store: Store) -> None:
    plain = offering("GET", "/v2/demo/manifests/1").json
    got = offering("GET", f"/v2/demo/manifests/1-{encoding}")
    assert got.status == 200
    assert got.json["config"]["digest"] == plain["config"]["digest"]
    assert [layer["mediaType"] for layer in got.json["layers"]] == [f"application/vnd.oci.image.layer.v1.tar+{encoding}"] * 2
    for layer, content in zip(got.json["layers"], (images.A, images.B), strict=True):
        assert decoded(offering("GET", f"/v2/demo/blobs/{layer['digest']}").body, encoding) == content
    again = offering("GET", f"/v2/demo/manifests/{got.headers['Docker-Content-Digest']}")
    assert again.body == got.body
    assert offering("GET", f"/v2/demo/manifests/1-{encoding}").headers["ETag"] == got.headers["ETag"]
    assert offering("GET", "/v2/demo/tags/list").json["tags"] == ["1", f"1-{encoding}"]
    store.collect()
    assert list(store.fsck()) == []


def test_a_variant_follows_its_original_and_goes_with_it(offering: Served, store: Store) -> None:
    before = offering("GET", "/v2/demo/manifests/1-zstd")
    store.import_archive(io.BytesIO(images.image(images.B, tags=("demo:1",)).bytes()))
    after = offering("GET", "/v2/demo/manifests/1-zstd")
    assert len(after.json["layers"]) == 1
    assert after.headers["ETag"] != before.headers["ETag"]
    assert offering("DELETE", "/v2/demo/manifests/1").status == 202
    assert offering("GET", "/v2/demo/manifests/1-zstd").status == 404


def test_what_is_not_offered_is_not_there(offering: Served, serve: Callable[..., Served]) -> None:
    for tag in ("2-zstd", "1-xz", "-zstd", "1-zstd-zstd"):
        assert offering("GET", f"/v2/demo/manifests/{tag}").status in (400, 404)
    assert serve()("GET", "/v2/demo/manifests/1-gzip").status == 404


def test_a_tag_that_somebody_pushed_is_left_alone(offering: Served) -> None:
    assert offering("POST", f"/v2/demo/blobs/uploads/?digest={Digest.of(b'{}')}", b"{}").status == 201
    mine = encode({"schemaVersion": 2, "mediaType": MANIFEST, "config": {"mediaType": "a/b", "digest": str(Digest.of(b"{}")), "size": 2}, "layers": []})
    assert offering("PUT", "/v2/demo/manifests/1-gzip", mine, Content_Type=MANIFEST).status == 201
    assert offering("GET", "/v2/demo/manifests/1-gzip").body == mine
    assert offering("DELETE", "/v2/demo/manifests/1").status == 202
    assert json.loads(offering("GET", "/v2/demo/manifests/1-gzip").body) == json.loads(mine)
