from __future__ import annotations

import hashlib
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from store.errors import (
    ContentNotFound,
    DigestMismatch,
    InvalidDocument,
    MissingBlobs,
    ReferenceNotFound,
    TooLarge,
)
from store.formats.image.manifests import Document, Link, Role
from store.model.digests import Descriptor, Digest
from store.model.limits import DEFAULT_LIMITS
from store.registry.push import image_config, may_be_missing, parse_manifest
from store.registry.registry import MAX_MANIFEST_BYTES, Registry, Sparse
from tests.support import images
from tests.support.layouts import CONFIG, INDEX, LAYER, MANIFEST, encode
from tests.support.registry_pushes import (
    APP,
    OTHER,
    descriptor,
    image_manifest,
    push_blob,
    squeezed,
)

if TYPE_CHECKING:
    from store import Store


def test_a_manifest_may_only_name_content_of_its_repository(registry: Registry) -> None:
    config, manifest = image_manifest((images.A, squeezed(images.A)))
    push_blob(registry, config)
    push_blob(registry, squeezed(images.A), OTHER)
    with pytest.raises(MissingBlobs) as caught:
        registry.put_manifest(APP, manifest, media_type=MANIFEST, digest=None, tags=("1",))
    assert [digest for _, _, digest in caught.value.missing] == [Digest.of(squeezed(images.A))]
    with pytest.raises(ReferenceNotFound):
        registry.manifest(APP, "1")


def test_a_wrong_size_is_rejected(registry: Registry) -> None:
    push_blob(registry, b"{}")
    config = {
        "mediaType": "application/vnd.oci.empty.v1+json",
        "digest": str(Digest.of(b"{}")),
        "size": 3,
    }
    with pytest.raises(DigestMismatch):
        registry.put_manifest(
            APP,
            encode({"schemaVersion": 2, "mediaType": MANIFEST, "config": config, "layers": []}),
            media_type="",
            digest=None,
            tags=(),
        )


def test_bytes_that_are_not_the_stated_manifest_are_rejected(registry: Registry) -> None:
    with pytest.raises(DigestMismatch):
        registry.put_manifest(APP, b"{}", media_type=MANIFEST, digest=Digest.of(b"{ }"), tags=())
    with pytest.raises(InvalidDocument):
        registry.put_manifest(APP, b"{}", media_type=MANIFEST, digest=None, tags=())
    with pytest.raises(TooLarge):
        registry.put_manifest(
            APP, b" " * (MAX_MANIFEST_BYTES + 1), media_type=MANIFEST, digest=None, tags=()
        )


def test_the_stated_media_type_makes_an_index(store: Store, registry: Registry) -> None:
    data = encode({"schemaVersion": 2})
    done = registry.put_manifest(APP, data, media_type=INDEX, digest=None, tags=("empty",))
    assert registry.manifest(APP, "empty").media_type == INDEX
    assert registry.manifest(APP, done.digest).data == data
    assert list(store.fsck()) == []


def test_each_sparse_setting_allows_more_missing_content(store: Store) -> None:
    child = {"mediaType": MANIFEST, "digest": str(Digest.of(b"elsewhere")), "size": 9}
    index = encode({"schemaVersion": 2, "mediaType": INDEX, "manifests": [child]})
    _, image = image_manifest((images.A, squeezed(images.A)))
    for sparse, takes_index, takes_image in (
        (Sparse.NOTHING, False, False),
        (Sparse.INDEXES, True, False),
        (Sparse.BLOBS, True, True),
    ):
        registry = Registry(store, sparse=sparse)
        for data, media_type, taken in (
            (index, INDEX, takes_index),
            (image, MANIFEST, takes_image),
        ):
            if taken:
                registry.put_manifest(APP, data, media_type=media_type, digest=None, tags=("1",))
                assert registry.manifest(APP, "1").data == data
            else:
                with pytest.raises(MissingBlobs):
                    registry.put_manifest(
                        APP, data, media_type=media_type, digest=None, tags=("1",)
                    )
    with pytest.raises(ContentNotFound):
        Registry(store).manifest(APP, Digest.of(b"elsewhere"))


def test_foreign_layers_need_not_be_pushed(registry: Registry) -> None:
    push_blob(registry, b"{}")
    layer = {
        "mediaType": f"{LAYER}+gzip",
        "digest": str(Digest.of(b"far away")),
        "size": 8,
        "urls": ["https://example.com/layer"],
    }
    config = {
        "mediaType": "application/vnd.oci.empty.v1+json",
        "digest": str(Digest.of(b"{}")),
        "size": 2,
    }
    manifest = encode(
        {"schemaVersion": 2, "mediaType": MANIFEST, "config": config, "layers": [layer]}
    )
    assert (
        registry.put_manifest(
            APP, manifest, media_type="", digest=Digest.of(manifest, "sha512"), tags=()
        ).digest.algorithm
        == "sha512"
    )


def test_a_config_that_cannot_be_parsed_does_not_make_an_image(
    store: Store, registry: Registry
) -> None:
    config = b'{"not": "an image"}'
    for data in (config, images.A):
        push_blob(registry, data)
    manifest = encode(
        {
            "schemaVersion": 2,
            "mediaType": MANIFEST,
            "config": descriptor(config, CONFIG),
            "layers": [descriptor(images.A, LAYER)],
        }
    )
    done = registry.put_manifest(APP, manifest, media_type=MANIFEST, digest=None, tags=("1",))
    assert done.image_id is None
    assert store.images() == ()
    assert hashlib.sha256(registry.manifest(APP, "1").data).hexdigest() == done.digest.hex


EMPTY_CONFIG = {
    "mediaType": "application/vnd.oci.empty.v1+json",
    "digest": str(Digest.of(b"{}")),
    "size": 2,
}


@pytest.mark.parametrize(
    ("role", "urls", "want"),
    [
        (Role.LAYER, (), [Sparse.BLOBS]),
        (Role.CONFIG, (), [Sparse.BLOBS]),
        (Role.CHILD, (), [Sparse.INDEXES, Sparse.BLOBS]),
        (Role.LAYER, ("https://example.com",), list(Sparse)),
    ],
)
def test_the_role_and_the_urls_decide_whether_content_may_be_missing(
    role: Role, urls: tuple[str, ...], want: list[Sparse]
) -> None:
    link = Link(role, 0, Descriptor(MANIFEST, Digest.of(b"x"), 1), urls=urls)
    assert [sparse for sparse in Sparse if may_be_missing(link, sparse)] == want


def parsed(config: bytes, *layers: bytes, size: int | None = None) -> Document:
    stated = {"mediaType": CONFIG, "digest": str(Digest.of(config)), "size": size or len(config)}
    data = encode(
        {
            "schemaVersion": 2,
            "mediaType": MANIFEST,
            "config": stated,
            "layers": [descriptor(layer, LAYER) for layer in layers],
        }
    )
    return parse_manifest(data, media_type=MANIFEST, digest=None, limits=DEFAULT_LIMITS)


def test_a_config_with_as_many_layers_as_the_manifest_makes_an_image() -> None:
    config = images.config(images.A)
    found = image_config(parsed(config, images.A), DEFAULT_LIMITS, lambda _: config)
    assert found is not None
    assert found.image_id.digest == Digest.of(config)
    assert image_config(parsed(config), DEFAULT_LIMITS, lambda _: config) is None


def test_a_config_that_is_missing_or_too_large_to_store_inline_makes_no_image() -> None:
    config = images.config(images.A)

    def missing(digest: Digest) -> bytes:
        raise ContentNotFound("missing", digest=digest)

    assert image_config(parsed(config, images.A), DEFAULT_LIMITS, missing) is None
    large = parsed(config, images.A, size=DEFAULT_LIMITS.inline_bytes + 1)
    assert image_config(large, DEFAULT_LIMITS, lambda _: config) is None


def test_an_artifact_makes_no_image() -> None:
    data = encode({"schemaVersion": 2, "mediaType": MANIFEST, "config": EMPTY_CONFIG, "layers": []})
    document = parse_manifest(data, media_type="", digest=None, limits=DEFAULT_LIMITS)
    assert image_config(document, DEFAULT_LIMITS, lambda _: b"{}") is None


def test_pushed_indexes_have_the_ceilings_of_imported_ones(store: Store) -> None:
    registry = Registry(store, limits=replace(DEFAULT_LIMITS, graph_depth=4, manifest_entries=3))
    config, data = image_manifest((images.A, squeezed(images.A)))
    push_blob(registry, config)
    push_blob(registry, squeezed(images.A))
    media_type = MANIFEST

    def index(count: int) -> bytes:
        listed = {"mediaType": media_type, "digest": str(Digest.of(data)), "size": len(data)}
        return encode({"schemaVersion": 2, "mediaType": INDEX, "manifests": [listed] * count})

    registry.put_manifest(APP, data, media_type=media_type, digest=None, tags=())
    for level in range(3):
        data, media_type = index(2), INDEX
        registry.put_manifest(APP, data, media_type=media_type, digest=None, tags=(str(level),))
    with pytest.raises(TooLarge, match="more than 4 levels deep"):
        registry.put_manifest(APP, index(2), media_type=INDEX, digest=None, tags=("deep",))
    with pytest.raises(TooLarge, match="4 entries: the limit is 3"):
        registry.put_manifest(APP, index(4), media_type=INDEX, digest=None, tags=("long",))
    with pytest.raises(ReferenceNotFound):
        registry.manifest(APP, "deep")


def test_pushed_labels_and_annotations_have_the_ceiling_of_imported_ones(store: Store) -> None:
    registry = Registry(store, limits=replace(DEFAULT_LIMITS, labels=3))
    layer = squeezed(images.A)
    push_blob(registry, layer)

    def push(labels: int, annotations: int, tag: str) -> None:
        config = images.config(images.A, config={"Labels": {f"{at}": "" for at in range(labels)}})
        push_blob(registry, config)
        manifest = {
            "schemaVersion": 2,
            "mediaType": MANIFEST,
            "config": descriptor(config, CONFIG),
            "layers": [descriptor(layer, f"{LAYER}+gzip")],
            "annotations": {f"{at}": "" for at in range(annotations)},
        }
        registry.put_manifest(APP, encode(manifest), media_type=MANIFEST, digest=None, tags=(tag,))

    with pytest.raises(TooLarge, match=r"invalid config sha256:.*: 4 labels given, at most 3"):
        push(4, 0, "labels")
    with pytest.raises(TooLarge, match=r"invalid manifest sha256:.*: 4 annotations given"):
        push(0, 4, "annotations")
    for tag in ("labels", "annotations"):
        with pytest.raises(ReferenceNotFound):
            registry.manifest(APP, tag)
    push(3, 3, "few")
    assert registry.manifest(APP, "few")
