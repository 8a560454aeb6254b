"""Variants: images that the mirror also offers in another encoding under additional tags."""

from __future__ import annotations

import gzip
import io
import json
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest
import zstandard

from mirror.access import Access
from mirror.access.rules import read_rules
from mirror.service import MirrorSettings, VariantEncoding
from mirror.variants import Variants
from store import Store
from store.model.digests import Digest
from tests.conftest import NOW
from tests.support import images
from tests.support.layouts import CONFIG, INDEX, LAYER, MANIFEST, encode
from tests.support.pushes import push
from tests.support.waiting import until

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from store.model.references import Repository
    from tests.support.mirror_in_process import InProcessMirror


@pytest.fixture
def offering(store: Store, serve: Callable[..., InProcessMirror]) -> InProcessMirror:
    store.import_archive(io.BytesIO(images.image(images.A, images.B, tags=("demo:1",)).bytes()))
    return serve(MirrorSettings(variants=(VariantEncoding.ZSTD, VariantEncoding.GZIP)))


def decoded(data: bytes, encoding: str) -> bytes:
    if encoding == "gzip":
        return gzip.decompress(data)
    with zstandard.ZstdDecompressor().stream_reader(data, read_across_frames=True) as reader:
        return bytes(reader.read())


@pytest.mark.parametrize("encoding", ["zstd", "gzip"])
def test_variant_is_the_same_image_with_other_layers(
    encoding: str, offering: InProcessMirror, store: Store
) -> None:
    plain = offering("GET", "/v2/demo/manifests/1").json
    got = offering("GET", f"/v2/demo/manifests/1-{encoding}")
    assert got.status == 200
    assert got.json["config"]["digest"] == plain["config"]["digest"]
    assert [layer["mediaType"] for layer in got.json["layers"]] == [
        f"application/vnd.oci.image.layer.v1.tar+{encoding}"
    ] * 2
    for layer, content in zip(got.json["layers"], (images.A, images.B), strict=True):
        assert (
            decoded(offering("GET", f"/v2/demo/blobs/{layer['digest']}").body, encoding) == content
        )
    again = offering("GET", f"/v2/demo/manifests/{got.headers['Docker-Content-Digest']}")
    assert again.body == got.body
    assert (
        offering("GET", f"/v2/demo/manifests/1-{encoding}").headers["ETag"] == got.headers["ETag"]
    )
    assert offering("GET", "/v2/demo/tags/list").json["tags"] == sorted(
        {"1", "1-zstd", f"1-{encoding}"}
    )
    store.collect()
    assert list(store.fsck()) == []


def test_variant_follows_its_original_and_is_removed_with_it(
    offering: InProcessMirror, store: Store
) -> None:
    before = offering("GET", "/v2/demo/manifests/1-zstd")
    store.import_archive(io.BytesIO(images.image(images.B, tags=("demo:1",)).bytes()))
    after = offering("GET", "/v2/demo/manifests/1-zstd")
    assert len(after.json["layers"]) == 1
    assert after.headers["ETag"] != before.headers["ETag"]
    assert offering("DELETE", "/v2/demo/manifests/1").status == 202
    assert offering("GET", "/v2/demo/manifests/1-zstd").status == 404


def test_variant_that_is_not_offered_is_unknown(
    offering: InProcessMirror, serve: Callable[..., InProcessMirror]
) -> None:
    for tag in ("2-zstd", "1-xz", "-zstd", "1-zstd-zstd"):
        assert offering("GET", f"/v2/demo/manifests/{tag}").status in (400, 404)
    assert serve()("GET", "/v2/demo/manifests/1-gzip").status == 404


RULES = """
[[rule]]
repositories = ["mine/**"]
who = ["@all"]
allow = ["read", "write"]
"""


def test_variant_of_a_pushed_index_gives_no_content_away(
    store: Store, serve: Callable[..., InProcessMirror]
) -> None:
    """A client that may push and knows a digest gets no access to that digest's content."""
    store.import_archive(io.BytesIO(images.image(images.A, tags=("secret:1",)).bytes()))
    (secret,) = store.images()[0].manifests
    guarded = serve(
        MirrorSettings(
            access=Access(rules=read_rules(RULES)),
            variants=(VariantEncoding.ZSTD, VariantEncoding.GZIP),
        )
    )
    size = store.sources((secret,))[secret].size_bytes
    index = encode(
        {
            "schemaVersion": 2,
            "mediaType": INDEX,
            "manifests": [{"mediaType": MANIFEST, "digest": str(secret), "size": size}],
        }
    )
    assert guarded("PUT", "/v2/mine/app/manifests/1", index, Content_Type=INDEX).status == 201
    assert guarded("GET", "/v2/mine/app/tags/list").json["tags"] == ["1"]
    for encoding in ("gzip", "zstd"):
        # The repository holds no image of this index, so the server can encode nothing.
        assert guarded("GET", f"/v2/mine/app/manifests/1-{encoding}").body == index
    assert len(guarded("GET", "/v2/_catalog").json["repositories"]) == 1
    config = store.images()[0].image_id.digest
    assert guarded("GET", f"/v2/mine/app/blobs/{config}").status == 404


def test_only_images_that_the_repository_holds_are_encoded(
    store: Store, serve: Callable[..., InProcessMirror]
) -> None:
    store.import_archive(io.BytesIO(images.image(images.A, tags=("secret:1",)).bytes()))
    store.import_archive(io.BytesIO(images.image(images.B, tags=("mine/app:own",)).bytes()))
    secret, own = (
        next(
            one.manifests[0]
            for one in store.images()
            if str(one.references[0].reference).endswith(name)
        )
        for name in ("secret:1", "app:own")
    )
    guarded = serve(
        MirrorSettings(access=Access(rules=read_rules(RULES)), variants=(VariantEncoding.GZIP,))
    )
    children = [
        {"mediaType": MANIFEST, "digest": str(one), "size": store.sources((one,))[one].size_bytes}
        for one in (secret, own)
    ]
    index = encode({"schemaVersion": 2, "mediaType": INDEX, "manifests": children})
    assert guarded("PUT", "/v2/mine/app/manifests/1", index, Content_Type=INDEX).status == 201
    first, second = guarded("GET", "/v2/mine/app/manifests/1-gzip").json["manifests"]
    assert first == children[0]
    assert guarded("GET", f"/v2/mine/app/manifests/{first['digest']}").status == 404
    (layer,) = guarded("GET", f"/v2/mine/app/manifests/{second['digest']}").json["layers"]
    assert gzip.decompress(guarded("GET", f"/v2/mine/app/blobs/{layer['digest']}").body) == images.B


def test_variant_of_a_pushed_config_gives_no_layer_away(
    store: Store, serve: Callable[..., InProcessMirror]
) -> None:
    """A client that pushes a copy of an image's config gets no access to the image's layers."""
    store.import_archive(io.BytesIO(images.image(images.A, tags=("secret:1",)).bytes()))
    config = store.document(store.images()[0].image_id.digest)
    assert config is not None
    guarded = serve(
        MirrorSettings(access=Access(rules=read_rules(RULES)), variants=(VariantEncoding.GZIP,))
    )
    for data in (config, b"not the layer"):
        assert (
            guarded("POST", f"/v2/mine/app/blobs/uploads/?digest={Digest.of(data)}", data).status
            == 201
        )
    layers = [{"mediaType": LAYER, "digest": str(Digest.of(b"not the layer")), "size": 13}]
    described = {"mediaType": CONFIG, "digest": str(Digest.of(config)), "size": len(config)}
    manifest = encode(
        {"schemaVersion": 2, "mediaType": MANIFEST, "config": described, "layers": layers}
    )
    assert guarded("PUT", "/v2/mine/app/manifests/1", manifest, Content_Type=MANIFEST).status == 201
    assert guarded("GET", "/v2/mine/app/manifests/1-gzip").status == 404


def test_pushed_tag_with_the_name_of_a_variant_is_left_alone(offering: InProcessMirror) -> None:
    assert (
        offering("POST", f"/v2/demo/blobs/uploads/?digest={Digest.of(b'{}')}", b"{}").status == 201
    )
    mine = encode(
        {
            "schemaVersion": 2,
            "mediaType": MANIFEST,
            "config": {"mediaType": "a/b", "digest": str(Digest.of(b"{}")), "size": 2},
            "layers": [],
        }
    )
    assert offering("PUT", "/v2/demo/manifests/1-gzip", mine, Content_Type=MANIFEST).status == 201
    assert offering("GET", "/v2/demo/manifests/1-gzip").body == mine
    assert offering("DELETE", "/v2/demo/manifests/1").status == 202
    assert json.loads(offering("GET", "/v2/demo/manifests/1-gzip").body) == json.loads(mine)


def blobs(store: Store) -> set[Digest]:
    return set(store.blobs.digests())


def test_stored_encoding_is_listed_at_once_and_needs_no_compression(
    offering: InProcessMirror, store: Store
) -> None:
    """The store keeps plain layers as zstd, so the zstd variant needs no further compression."""
    assert offering("GET", "/v2/demo/tags/list").json["tags"] == ["1", "1-zstd"]
    before = blobs(store)
    assert offering("GET", "/v2/demo/manifests/1-zstd").status == 200
    assert blobs(store) == before
    store.import_archive(io.BytesIO(images.image(images.B, tags=("demo:2",)).bytes()))
    assert offering("GET", "/v2/demo/tags/list").json["tags"] == ["1", "1-zstd", "2", "2-zstd"]
    assert offering("GET", "/v2/demo/manifests/1-gzip").status == 200
    # Both images share a layer, which the request above has encoded.
    assert offering("GET", "/v2/demo/tags/list").json["tags"] == [
        "1",
        "1-gzip",
        "1-zstd",
        "2",
        "2-gzip",
        "2-zstd",
    ]
    before = blobs(store)
    assert offering("GET", "/v2/demo/manifests/2-gzip").status == 200
    assert blobs(store) == before
    assert offering("GET", "/v2/demo/manifests/2-gzip-zstd").status == 404


def test_pages_list_each_tag_once(offering: InProcessMirror, store: Store) -> None:
    names = ("a", "a-", "a-y", "a-zstd", "a-zz", "ab", "b-gzip", "c", "x" * 120, "x" * 126)
    store.import_archive(
        io.BytesIO(images.image(images.A, tags=tuple(f"demo:{name}" for name in names)).bytes())
    )
    everything = offering("GET", "/v2/demo/tags/list").json["tags"]
    assert everything == sorted(
        {
            "1",
            "1-zstd",
            *names,
            "a--zstd",
            "a-y-zstd",
            "a-zz-zstd",
            "ab-zstd",
            "c-zstd",
            "x" * 120 + "-zstd",
        }
    )
    for size in (1, 2, 3, 7, 100):
        found: list[str] = []
        path = f"/v2/demo/tags/list?n={size}"
        while path:
            answer = offering("GET", path)
            assert len(answer.json["tags"]) <= size
            found += answer.json["tags"]
            path = answer.headers.get("Link", "").partition(">")[0].removeprefix("<")
        assert found == everything
    for last in (*everything, "a-x", "zzz", "a" * 300):
        assert offering("GET", f"/v2/demo/tags/list?last={last}").json["tags"] == [
            tag for tag in everything if tag > last
        ]


def test_variant_of_an_index_is_listed_when_all_its_images_are_stored_in_the_encoding(
    offering: InProcessMirror,
) -> None:
    first, second = (image_manifest(offering, content) for content in (images.A, images.B))
    document = {"schemaVersion": 2, "mediaType": INDEX, "manifests": [first, second]}
    assert (
        offering("PUT", "/v2/multi/manifests/1", encode(document), Content_Type=INDEX).status == 201
    )
    # Pushed images are verified in the background. The imported archive has stored A and B as zstd.
    until(lambda: offering("GET", "/v2/multi/tags/list").json["tags"] == ["1", "1-gzip", "1-zstd"])
    third = image_manifest(offering, images.E)
    document["manifests"] = [first, second, third]
    assert (
        offering("PUT", "/v2/multi/manifests/1", encode(document), Content_Type=INDEX).status == 201
    )
    until(lambda: offering("GET", "/v2/multi/tags/list").json["tags"] == ["1", "1-gzip"])


def image_manifest(offering: InProcessMirror, layer: bytes) -> dict[str, object]:
    """Push an image with one gzip layer; return the descriptor of the image's manifest."""
    squeezed = gzip.compress(layer, mtime=0)
    config = encode(
        {
            "architecture": "amd64",
            "os": "linux",
            "rootfs": {"type": "layers", "diff_ids": [str(Digest.of(layer))]},
        }
    )
    for data in (squeezed, config):
        assert (
            offering("POST", f"/v2/multi/blobs/uploads/?digest={Digest.of(data)}", data).status
            == 201
        )
    manifest = encode(
        {
            "schemaVersion": 2,
            "mediaType": MANIFEST,
            "config": {"mediaType": CONFIG, "digest": str(Digest.of(config)), "size": len(config)},
            "layers": [
                {
                    "mediaType": f"{LAYER}+gzip",
                    "digest": str(Digest.of(squeezed)),
                    "size": len(squeezed),
                }
            ],
        }
    )
    assert (
        offering(
            "PUT", f"/v2/multi/manifests/{Digest.of(manifest)}", manifest, Content_Type=MANIFEST
        ).status
        == 201
    )
    return {"mediaType": MANIFEST, "digest": str(Digest.of(manifest)), "size": len(manifest)}


# --- removal with the original --------------------------------------------------------------------


def tags(store: Store) -> list[str]:
    return sorted(name.familiar for name in store.names("", 100))


def create(offering: InProcessMirror, *names: str) -> None:
    for name in names:
        assert offering("GET", f"/v2/demo/manifests/{name}").status == 200


def test_rm_removes_the_variants_and_the_image(offering: InProcessMirror, store: Store) -> None:
    create(offering, "1-zstd", "1-gzip")
    assert tags(store) == ["demo:1", "demo:1-gzip", "demo:1-zstd"]
    done = [(one.kind, one.name) for one in store.remove("demo:1")]
    assert done[:3] == [
        ("untagged", "demo:1"),
        ("untagged", "demo:1-gzip"),
        ("untagged", "demo:1-zstd"),
    ]
    # An image from a Docker archive may have a parent, which is removed with the image.
    assert {kind for kind, _ in done[3:]} == {"deleted"}
    assert tags(store) == []
    assert store.images() == ()
    assert offering("GET", "/v2/demo/manifests/1-zstd").status == 404


def test_rm_of_one_name_removes_only_its_own_variants(
    offering: InProcessMirror, store: Store
) -> None:
    store.tag("demo:1", "demo:2")
    create(offering, "1-zstd", "2-zstd")
    assert [one.name for one in store.remove("demo:1")] == ["demo:1", "demo:1-zstd"]
    assert tags(store) == ["demo:2", "demo:2-zstd"]
    create(offering, "2-zstd")


def test_untag_removes_the_variants_and_keeps_the_image(
    offering: InProcessMirror, store: Store
) -> None:
    (before,) = store.images()
    create(offering, "1-gzip")
    assert [one.name for one in store.untag("demo:1")] == ["demo:1", "demo:1-gzip"]
    (after,) = store.images()
    assert (after.image_id, after.references, after.dangling) == (before.image_id, (), True)
    assert after.manifests == before.manifests


@pytest.mark.parametrize("by", ["tag", "digest"])
def test_delete_removes_variants_that_are_no_longer_offered(
    by: str, offering: InProcessMirror, serve: Callable[..., InProcessMirror], store: Store
) -> None:
    target = (
        "1"
        if by == "tag"
        else offering("GET", "/v2/demo/manifests/1").headers["Docker-Content-Digest"]
    )
    digest = offering("GET", "/v2/demo/manifests/1-zstd").headers["Docker-Content-Digest"]
    plain = serve()
    assert plain("DELETE", f"/v2/demo/manifests/{target}").status == 202
    assert tags(store) == []
    for name in ("1-zstd", digest):
        assert plain("GET", f"/v2/demo/manifests/{name}").status == 404


def test_rm_removes_the_variant_of_an_earlier_image_of_the_tag(
    offering: InProcessMirror, store: Store
) -> None:
    create(offering, "1-gzip")
    store.import_archive(io.BytesIO(images.image(images.E, tags=("demo:1",)).bytes()))
    store.remove("demo:1")
    assert tags(store) == []
    # The earlier image lost its name when the second import moved the tag.
    assert [image.dangling for image in store.images()] == [True]


def test_index_is_removed_with_its_variants(offering: InProcessMirror, store: Store) -> None:
    children = [image_manifest(offering, content) for content in (images.A, images.E)]
    assert (
        offering(
            "PUT",
            "/v2/multi/manifests/1",
            encode({"schemaVersion": 2, "mediaType": INDEX, "manifests": children}),
            Content_Type=INDEX,
        ).status
        == 201
    )
    assert offering("GET", "/v2/multi/manifests/1-zstd").status == 200
    store.remove("demo:1")
    done = [(one.kind, one.name) for one in store.remove("multi:1")]
    assert done[:2] == [("untagged", "multi:1"), ("untagged", "multi:1-zstd")]
    assert tags(store) == []
    assert store.images() == ()
    assert store.manifests() == ()


def push_over_variant(offering: InProcessMirror) -> None:
    """Overwrite the tag of a variant with a different manifest."""
    manifest = offering("GET", "/v2/demo/manifests/1").body
    assert (
        offering("PUT", "/v2/demo/manifests/1-gzip", manifest, Content_Type=MANIFEST).status == 201
    )


@pytest.mark.parametrize("how", ["pushed before", "pushed over", "tagged", "imported"])
@pytest.mark.parametrize("remove", ["rm", "delete"])
def test_tag_that_a_client_has_set_is_not_removed(
    how: str, remove: str, offering: InProcessMirror, store: Store
) -> None:
    if how != "pushed before":
        create(offering, "1-gzip")
    if how.startswith("pushed"):
        push_over_variant(offering)
    elif how == "tagged":
        # Give the variant the name that the variant of the other tag would have.
        store.tag("demo:1", "demo:2")
        store.tag("demo:1-gzip", "demo:2-gzip")
    else:
        store.import_archive(io.BytesIO(images.image(images.E, tags=("demo:1-gzip",)).bytes()))
    tag = "2" if how == "tagged" else "1"
    before = offering("GET", f"/v2/demo/manifests/{tag}-gzip").headers["ETag"]
    if remove == "rm":
        store.remove(f"demo:{tag}")
    else:
        assert offering("DELETE", f"/v2/demo/manifests/{tag}").status == 202
    assert f"demo:{tag}-gzip" in tags(store)
    assert offering("GET", f"/v2/demo/manifests/{tag}-gzip").headers["ETag"] == before


def test_variant_with_another_name_keeps_its_manifest(
    offering: InProcessMirror, store: Store
) -> None:
    create(offering, "1-gzip")
    store.tag("demo:1-gzip", "demo:mine")
    assert offering("DELETE", "/v2/demo/manifests/1").status == 202
    assert tags(store) == ["demo:mine"]
    create(offering, "mine")
    assert list(store.fsck()) == []


@pytest.mark.parametrize("remove", ["rm", "delete"])
def test_blobs_of_a_removed_variant_are_freed(
    remove: str, offering: InProcessMirror, store: Store
) -> None:
    digest = offering("GET", "/v2/demo/manifests/1").headers["Docker-Content-Digest"]
    create(offering, "1-gzip", "1-zstd")
    assert len(blobs(store)) == 4
    if remove == "rm":
        store.remove("demo:1")
    else:
        assert offering("DELETE", f"/v2/demo/manifests/{digest}").status == 202
    # For a day, pushed blobs are kept for a manifest that may follow.
    with Store.open(store.root, clock=lambda: NOW + timedelta(days=2)) as later:
        later.collect()
    assert blobs(store) == set()


@pytest.mark.parametrize("change", ["moved", "removed", "taken"])
def test_change_during_the_creation_of_a_variant_wins(
    change: str, offering: InProcessMirror, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain = offering("GET", "/v2/demo/manifests/1").body
    upload = Variants._upload

    def change_first(
        variants: Variants, repository: Repository, digest: Digest, path: Path
    ) -> None:
        if change == "moved":
            store.import_archive(io.BytesIO(images.image(images.E, tags=("demo:1",)).bytes()))
        elif change == "removed":
            store.untag("demo:1")
        else:
            assert (
                offering("PUT", "/v2/demo/manifests/1-gzip", plain, Content_Type=MANIFEST).status
                == 201
            )
        monkeypatch.undo()
        upload(variants, repository, digest, path)

    monkeypatch.setattr(Variants, "_upload", change_first)
    answer = offering("GET", "/v2/demo/manifests/1-gzip")
    assert (
        (answer.status, answer.body) == (200, plain) if change == "taken" else answer.status == 404
    )
    assert (
        tags(store)
        == {"moved": ["demo:1"], "removed": [], "taken": ["demo:1", "demo:1-gzip"]}[change]
    )


def test_a_manifest_that_lists_a_wrong_layer_has_no_variant(
    offering: InProcessMirror, store: Store
) -> None:
    """The pushed manifest lists an encoding of its first layer in place of the victim's layer."""
    own, victim = images.layer("own", b"evil"), Digest.of(images.B)
    encoder = zstandard.ZstdCompressor(level=3, write_checksum=True, threads=1).compressobj()
    encoded = encoder.compress(own) + encoder.flush()
    config, blob = images.config(own, images.B), gzip.compress(own, mtime=0)
    for data in (config, blob, encoded):
        push(offering, data, "demo")
    foreign = "application/vnd.oci.image.layer.nondistributable.v1.tar+zstd"
    manifest = {
        "schemaVersion": 2,
        "mediaType": MANIFEST,
        "config": described(CONFIG, config),
        "layers": [described(f"{LAYER}+gzip", blob), described(foreign, encoded)],
    }
    path = "/v2/demo/manifests/evil"
    assert offering("PUT", path, encode(manifest), Content_Type=MANIFEST).status == 201
    assert offering("GET", f"{path}-zstd").status == 404
    encodings = store.sources((victim,))[victim].encodings
    assert Digest.of(encoded) not in {one.digest for one in encodings}


def described(media_type: str, data: bytes) -> dict[str, object]:
    return {"mediaType": media_type, "digest": str(Digest.of(data)), "size": len(data)}
