from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from store.errors import ContentNotFound, ReferenceNotFound
from store.formats.distribution.names import BY_ID
from store.model.digests import Digest
from store.registry.manifests import unknown_manifest
from store.registry.registry import Registry
from tests.support import images
from tests.support.damage import mark_damaged
from tests.support.layouts import INDEX, MANIFEST, encode
from tests.support.registry_pushes import APP, OTHER, descriptor, push_image, squeezed

if TYPE_CHECKING:
    from pathlib import Path

    from store import Store


def _file(store: Store, data: bytes) -> Path:
    path = store.root.parent / "archive.tar"
    path.write_bytes(data)
    return path


def test_a_manifest_is_served_byte_for_byte(store: Store, registry: Registry) -> None:
    image_id, digest = push_image(registry, (images.A, squeezed(images.A)), tags=("1", "latest"))
    served = registry.manifest(APP, "1")
    assert served == registry.manifest(APP, digest) == registry.manifest(APP, "latest")
    assert Digest.of(served.data) == digest
    assert served.media_type == MANIFEST
    (summary,) = store.images()
    assert summary.image_id == image_id
    assert sorted(one.reference.familiar for one in summary.references) == [
        "team/app:1",
        "team/app:latest",
    ]
    assert [event.action for event in store.events()] == ["push"]


def test_an_index_does_not_give_access_to_its_children(registry: Registry) -> None:
    """A client that pushes an index with a guessed digest must not get the guessed manifest."""
    _, secret = push_image(registry, (images.A, squeezed(images.A)))
    data = registry.manifest(APP, secret).data
    index = encode(
        {"schemaVersion": 2, "mediaType": INDEX, "manifests": [descriptor(data, MANIFEST)]}
    )
    registry.put_manifest(OTHER, index, media_type=INDEX, digest=None, tags=("1",))
    with pytest.raises(ContentNotFound):
        registry.manifest(OTHER, secret)
    with pytest.raises(ContentNotFound):
        registry.blob(OTHER, Digest.of(squeezed(images.A)))


def test_images_without_a_name_are_served_by_their_digest(store: Store, registry: Registry) -> None:
    store.import_archive(_file(store, images.image(images.A, tags=()).bytes()))
    (summary,) = store.images()
    served = registry.manifest(BY_ID, summary.manifests[0])
    layer = json.loads(served.data)["layers"][0]["digest"]
    assert registry.blob(BY_ID, Digest.parse(layer)).size_bytes == len(images.A)
    with pytest.raises(ReferenceNotFound):
        registry.manifest(BY_ID, "latest")
    with pytest.raises(ContentNotFound):
        registry.blob(BY_ID, Digest.of(b"nothing"))
    with pytest.raises(ContentNotFound):
        registry.manifest(BY_ID, Digest.parse(layer))


def test_an_inline_manifest_is_found_with_one_look_up(store: Store, registry: Registry) -> None:
    _, digest = push_image(registry, (images.A, squeezed(images.A)), tags=("1",))
    for target in ("1", digest):
        assert registry.manifest_if_inline(APP, target) == registry.manifest(APP, target)
    for repository, target in ((APP, "2"), (OTHER, digest), (BY_ID, digest)):
        assert registry.manifest_if_inline(repository, target) is None
    mark_damaged(store, digest)
    assert registry.manifest_if_inline(APP, "1") is None


def test_a_damaged_manifest_counts_as_not_held(store: Store) -> None:
    damaged: list[Digest] = []
    registry = Registry(store, on_damage=damaged.append)
    _, digest = push_image(registry, (images.A, squeezed(images.A)), tags=("1",))
    mark_damaged(store, digest)
    with pytest.raises(ContentNotFound, match="push it again"):
        registry.manifest(APP, digest)
    with pytest.raises(ReferenceNotFound, match="push it again"):
        registry.manifest(APP, "1")
    assert damaged == []


def test_an_unknown_manifest_is_named_in_its_error() -> None:
    assert isinstance(unknown_manifest(APP, "1"), ReferenceNotFound)
    error = unknown_manifest(APP, Digest.of(b"x"), because="a reason")
    assert isinstance(error, ContentNotFound)
    assert error.message.endswith(": a reason")
