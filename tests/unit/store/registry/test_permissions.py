from __future__ import annotations

import gzip
from typing import TYPE_CHECKING

from store.formats.distribution.names import BY_ID
from store.model.digests import Digest
from tests.support.images import A, B
from tests.support.registry_pushes import APP, OTHER, push_blob, push_image
from tests.support.stored_images import put_image

if TYPE_CHECKING:
    from store import Store
    from store.model.references import Repository
    from store.registry.registry import Registry


def test_content_of_a_readable_repository_is_readable(store: Store, registry: Registry) -> None:
    mine, other = push_blob(registry, b"mine"), push_blob(registry, b"other", OTHER)
    contents = store.sources((mine, other)).values()
    assert registry.unreadable(contents, lambda name: name == APP) == [other]
    assert registry.unreadable(contents, lambda _: True) == []
    assert set(registry.unreadable(contents, lambda _: False)) == {mine, other}


def test_a_layer_is_readable_with_the_blob_that_decodes_to_it(
    store: Store, registry: Registry
) -> None:
    image_id, _ = push_image(registry, (A, gzip.compress(A, mtime=0)))
    store.verify_image(image_id)
    contents = store.sources((Digest.of(A),)).values()
    assert registry.unreadable(contents, lambda name: name == APP) == []
    assert registry.unreadable(contents, lambda name: name == OTHER) == [Digest.of(A)]


def test_content_of_unnamed_images_is_readable_by_id(store: Store, registry: Registry) -> None:
    put_image(store, B)
    contents = store.sources((Digest.of(B),)).values()
    assert registry.unreadable(contents, lambda name: name == BY_ID) == []
    assert registry.unreadable(contents, lambda name: name == APP) == [Digest.of(B)]


def test_each_repository_is_asked_about_once(store: Store, registry: Registry) -> None:
    digests = [push_blob(registry, data) for data in (b"1", b"2", b"3")]
    asked: list[Repository] = []

    def may_read(name: Repository) -> bool:
        asked.append(name)
        return name == APP

    assert registry.unreadable(store.sources(digests).values(), may_read) == []
    assert asked == [APP]
