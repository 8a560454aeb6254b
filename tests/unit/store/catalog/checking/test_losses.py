from __future__ import annotations

import io
from typing import TYPE_CHECKING

from store.catalog.checking import losses
from store.model.contents import ContentState
from store.model.digests import Digest
from tests.support.damage import mark_damaged
from tests.support.images import A, B, config
from tests.support.layouts import Layout, gzip
from tests.support.stored_images import put_image

if TYPE_CHECKING:
    from store import Store


def test_what_is_lost_with_a_layer_is_found_by_its_links(store: Store) -> None:
    layout = Layout()
    one = layout.image(gzip(A))
    two = layout.image(gzip(B), platform="linux/arm64")
    layout.root(layout.index(one, two), "docker.io/team/app:1")
    store.import_archive(io.BytesIO(layout.tar()))
    blobs = [Digest.of(gzip(data).data) for data in (A, B)]
    with store.read() as connection:
        alone = losses.doomed(connection, blobs[:1])
        assert losses.names_of(connection, alone) == [one["digest"]]
        both = losses.doomed(connection, blobs)
        assert len(both) == 3
        assert "team/app:1" in losses.names_of(connection, both)
        assert losses.children(connection, both - alone) == both - {max(both)}
        assert losses.listed(connection, [*blobs, Digest.of(A)]) == set(blobs)
        assert losses.documents_among(connection, [*blobs, Digest.of(b"?")]) == set()


def test_marks_are_listed_and_removed(store: Store) -> None:
    put_image(store, A, tags=("x:1",))
    digest = Digest.of(config(A))
    mark_damaged(store, digest)
    with store.write() as connection:
        assert losses.marked(connection) == {digest}
        losses.clear(connection, {digest})
        assert losses.marked(connection) == set()


def test_forgotten_content_is_absent(store: Store) -> None:
    put_image(store, A, tags=("x:1",))
    with store.write() as connection:
        (pair,) = losses.encodings_of(connection, {Digest.of(A)})
        losses.forget(connection, {pair.stored, Digest.of(A)})
        assert losses.encodings_of(connection, {Digest.of(A)}) == set()
    sources = store.sources((pair.stored, Digest.of(A)))
    assert {one.state for one in sources.values()} == {ContentState.ABSENT}
    assert not any(one.is_stored for one in sources.values())
