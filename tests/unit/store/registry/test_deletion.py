from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from store.errors import (
    ContentNotFound,
    ReferenceNotFound,
    RepositoryNotFound,
)
from store.model.references import Repository
from tests.support import images
from tests.support.registry_pushes import (
    APP,
    OTHER,
    push_blob,
    push_image,
    squeezed,
)

if TYPE_CHECKING:
    from store import Store
    from store.registry.registry import Registry


def test_a_deleted_blob_stays_in_other_repositories(registry: Registry) -> None:
    digest = push_blob(registry, b"mine")
    push_blob(registry, b"mine", OTHER)
    registry.delete_blob(APP, digest)
    with pytest.raises(ContentNotFound):
        registry.blob(APP, digest)
    assert registry.blob(OTHER, digest).size_bytes == 4
    with pytest.raises(ContentNotFound):
        registry.delete_blob(APP, digest)
    with pytest.raises(RepositoryNotFound):
        registry.delete_blob(Repository("docker.io", "team/nothing"), digest)


def test_a_deleted_tag_keeps_its_manifest_and_a_deleted_manifest_removes_its_tags(
    store: Store, registry: Registry
) -> None:
    _, digest = push_image(registry, (images.A, squeezed(images.A)), tags=("1", "2"))
    registry.delete_tag(APP, "1")
    assert registry.tags(APP) == ["2"]
    assert registry.manifest(APP, digest).digest == digest
    with pytest.raises(ReferenceNotFound):
        registry.delete_tag(APP, "1")
    registry.delete_manifest(APP, digest)
    assert registry.tags(APP) == []
    with pytest.raises(ContentNotFound):
        registry.manifest(APP, digest)
    with pytest.raises(ContentNotFound):
        registry.delete_manifest(APP, digest)
    with pytest.raises(RepositoryNotFound):
        registry.manifest(OTHER, "1")
    store.collect()
    assert store.images() == ()


def test_a_manifest_without_tags_can_be_deleted(store: Store, registry: Registry) -> None:
    _, first = push_image(registry, (images.A, squeezed(images.A)))
    push_image(registry, (images.B, squeezed(images.B)))
    registry.delete_manifest(APP, first)
    store.collect()
    assert len(store.images()) == 1
    assert list(store.fsck()) == []


def test_history_names_every_tag_that_goes_with_a_manifest(
    store: Store, registry: Registry
) -> None:
    _, digest = push_image(registry, (images.A, squeezed(images.A)), tags=("1", "2"))
    registry.delete_manifest(APP, digest)
    assert [(one.action, one.attributes["name"]) for one in store.events()][-3:] == [
        ("untag", "team/app:1"),
        ("untag", "team/app:2"),
        ("delete", f"team/app@{digest}"),
    ]
