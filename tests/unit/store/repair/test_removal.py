from __future__ import annotations

import io
from typing import TYPE_CHECKING

from store.model.digests import Digest
from store.repair.removal import remove_lost
from tests.support.images import A, B, config
from tests.support.layouts import Layout, gzip
from tests.support.stored_images import put_image

if TYPE_CHECKING:
    from store import Store


def test_a_lost_config_takes_its_image_and_no_other(store: Store) -> None:
    gone = put_image(store, A, tags=("x:1", "y:1"))
    kept = put_image(store, A, B, tags=("z:1",))
    with store.write() as connection:
        removed = remove_lost(connection, {Digest.of(config(A))}, store.now())
    assert [(one.kind, one.name) for one in removed[:3]] == [
        ("untagged", "x:1"),
        ("untagged", "y:1"),
        ("deleted", str(gone)),
    ]
    assert [one.image_id for one in store.images()] == [kept]
    assert list(store.fsck()) == []


def test_sound_manifests_of_a_lost_index_are_kept_without_a_name(store: Store) -> None:
    layout = Layout()
    image = layout.image(gzip(A))
    index = layout.index(image, layout.image(gzip(B), platform="linux/arm64"))
    layout.root(index, "docker.io/team/app:1")
    store.import_archive(io.BytesIO(layout.tar()))
    with store.write() as connection:
        removed = remove_lost(connection, {Digest.parse(index["digest"])}, store.now())
    assert [one.name for one in removed] == ["team/app:1", index["digest"]]
    store.collect()
    assert len(store.images()) == 2
    assert list(store.fsck()) == []
