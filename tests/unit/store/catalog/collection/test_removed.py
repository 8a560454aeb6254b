"""What is recorded of removed manifests: everything that their bytes do not tell."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from store.catalog import manifests
from store.catalog.collection import removed
from store.registry.registry import Registry
from tests.conftest import NOW
from tests.support.images import A, B
from tests.support.registry_pushes import APP, push_blob, push_image, squeezed
from tests.support.stored_images import put_image, set_parent

if TYPE_CHECKING:
    from store import Store
    from store.db.types import ContentKey
    from store.model.digests import Digest


def key_of(store: Store, digest: Digest) -> ContentKey:
    with store.read() as connection:
        key = manifests.key_of(connection, digest)
    assert key is not None
    return key


def test_a_removal_records_the_image_its_parent_and_its_repositories(store: Store) -> None:
    parent = put_image(store, A)
    child = put_image(store, A, B, tags=("team/app:1",))
    set_parent(store, child, parent)
    (below,) = (one.digest for one in store.inspect(str(parent)).manifests)
    details = store.inspect("team/app:1")
    key = key_of(store, details.manifests[0].digest)
    store.remove("team/app:1")
    with store.read() as connection:
        one = removed.get(connection, [key])[key]
    assert (one.image, one.parent) == (child.digest, parent.digest)
    assert (one.state, one.image_state, one.kept_at) == ("verified", "verified", None)
    assert one.parent_manifests == (below,)
    assert one.held == {str(APP): removed.Holding(NOW, None)}


def test_later_removals_keep_what_earlier_ones_recorded(store: Store) -> None:
    put_image(store, A, tags=("team/app:1", "team/other:1"))
    key = key_of(store, store.inspect("team/app:1").manifests[0].digest)
    store.remove("team/app:1")
    later = NOW + timedelta(seconds=1)
    with store.write() as connection:
        removed.note(connection, [key], now=later)
        one = removed.get(connection, [key])[key]
    # The first repository no longer served it.
    assert one.at == later
    assert {name: holding.at for name, holding in one.held.items()} == {
        "docker.io/team/app": NOW,
        "docker.io/team/other": later,
    }


def test_content_that_is_no_manifest_is_left_out(store: Store) -> None:
    registry = Registry(store)
    push_blob(registry, b"loose")
    with store.write() as connection:
        removed.note(connection, [1], now=NOW)  # type: ignore[list-item] # a row number
        assert removed.get(connection, [1]) == {}  # type: ignore[list-item]


def test_a_record_goes_with_the_content(store: Store) -> None:
    _, digest = push_image(Registry(store), (A, squeezed(A)))
    key = key_of(store, digest)
    store.remove("team/app:1")
    with store.read() as connection:
        assert key in removed.get(connection, [key])
    store.collect(end_grace=True)
    with store.read() as connection:
        assert removed.get(connection, [key]) == {}
