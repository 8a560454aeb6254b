"""Removed manifests come back with everything that was removed with them."""

from __future__ import annotations

import io
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from store import Store
from store.catalog import content, manifests, repositories
from store.maintenance.reports import Severity
from store.model.digests import Digest
from store.registry.registry import Registry
from store.undo import revival
from store.undo.documents import Documents
from tests.conftest import NOW
from tests.support.images import A, B
from tests.support.layouts import INDEX, MANIFEST, Layout, encode, foreign, gzip, plain
from tests.support.registry_pushes import APP, OTHER, image_manifest, push_blob, squeezed
from tests.support.stored_images import put_image, set_parent

if TYPE_CHECKING:
    from pathlib import Path


def revive(store: Store, root: Digest) -> revival.Found:
    with store.write() as connection:
        found = revival.find(connection, root, Documents(store))
        revival.write(connection, found.revived)
    return found


def test_an_index_comes_back_with_its_images_and_referrers(store: Store) -> None:
    layout = Layout()
    parts = (layout.image(plain(A), gzip(B)), layout.image(B, platform="linux/arm64"))
    index = layout.index(*parts, layout.absent())
    layout.root(index, "docker.io/team/many:1")
    layout.root(layout.artifact(b"signature", subject=index))
    store.import_archive(io.BytesIO(layout.tar()))
    root = Digest.parse(str(index["digest"]))
    before = rows(store)
    store.remove("team/many:1")
    assert rows(store) != before
    found = revive(store, root)
    assert len(found.revived) == 4
    assert found.there == ()
    assert rows(store) == before
    # It is there now.
    again = revive(store, root)
    assert (again.revived, len(again.there)) == ((), 1)


def rows(store: Store) -> dict[str, list[tuple[object, ...]]]:
    """Return the rows of manifests and images, without those of names."""
    tables = {
        "manifest": "SELECT * FROM manifest ORDER BY content_id",
        "edges": "SELECT * FROM manifest_edge ORDER BY manifest_id, role, position",
        "image": "SELECT * FROM image ORDER BY content_id",
        "label": "SELECT * FROM label ORDER BY content_id, key",
        "source": "SELECT * FROM foreign_source ORDER BY image_id, content_id",
    }
    with store.read() as connection:
        return {
            name: [tuple(row) for row in connection.exec_driver_sql(query)]
            for name, query in tables.items()
        }


def test_an_image_keeps_its_parents_and_the_addresses_of_its_layers(store: Store) -> None:
    layout = Layout()
    image = layout.image(
        A,
        foreign(plain(b"far away"), "https://example.org/layer"),
        config={"config": {"Labels": {"stage": "prod"}}},
    )
    layout.root(image, "docker.io/team/far:1")
    store.import_archive(io.BytesIO(layout.tar()))
    grandparent, parent = put_image(store, A), put_image(store, A, B)
    far = store.inspect("team/far:1")
    set_parent(store, parent, grandparent)
    set_parent(store, far.image_id, parent)
    before = rows(store)
    removed = store.remove("team/far:1")
    assert len([line for line in removed if line.kind == "deleted"]) == 3
    found = revive(store, far.manifests[0].digest)
    assert len(found.revived) == 3
    assert rows(store) == before
    kept = [one.image_id for one in store.images() if not one.references]
    assert grandparent in kept or store.inspect(str(grandparent)).children == (parent,)


def test_what_a_collection_has_taken_is_gone(store: Store) -> None:
    put_image(store, A, tags=("x:1",))
    (manifest,) = store.inspect("x:1").manifests
    store.remove("x:1")
    with store.write() as connection:
        key = content.find(connection, (Digest.of(A),))[Digest.of(A)].key
        for table, column in (
            ("layer", "diff_id"),
            ("repository_content", "content_id"),
            ("content", "id"),
        ):
            connection.exec_driver_sql(f"DELETE FROM {table} WHERE {column} = ?", (key,))  # noqa: S608 - names of this test
        with pytest.raises(revival.GoneError) as gone:
            revival.find(connection, manifest.digest, Documents(store))
        assert gone.value.digest == Digest.of(A)
    store.collect()
    with store.read() as connection, pytest.raises(revival.GoneError) as gone:
        revival.find(connection, manifest.digest, Documents(store))
    assert gone.value.digest == manifest.digest


def test_a_repository_holds_again_only_what_it_held_last(root: Path) -> None:
    now = NOW
    store = Store.open(root, create=True, clock=lambda: now)
    registry = Registry(store)
    config, image = image_manifest((A, squeezed(A)))
    for repository in (APP, OTHER):
        for data in (config, squeezed(A)):
            push_blob(registry, data, repository)
        registry.put_manifest(repository, image, media_type=MANIFEST, digest=None, tags=())
    child = {"mediaType": MANIFEST, "digest": str(Digest.of(image)), "size": len(image)}
    index = encode({"schemaVersion": 2, "mediaType": INDEX, "manifests": [child]})
    # The other repository lists the image without holding it.
    registry.delete_manifest(OTHER, Digest.of(image))
    now += timedelta(seconds=1)
    for repository in (APP, OTHER):
        registry.put_manifest(repository, index, media_type=INDEX, digest=None, tags=("many",))
    for name in ("team/app:many", "team/other:many"):
        store.remove(name)
    found = revive(store, Digest.of(index))
    for repository, is_held in ((APP, True), (OTHER, False)):
        with store.write() as connection:
            key = repositories.find(connection, repository)
            assert key is not None
            again = revival.hold_again(connection, str(repository), key, found.key)
            mine = manifests.key_of(connection, Digest.of(image))
            assert (mine in again, found.key in again) == (is_held, True)
            assert revival.hold_again(connection, str(repository), key, found.key) == []
    assert [one for one in store.fsck() if one.severity is Severity.ERROR] == []
    store.close()
