from __future__ import annotations

import io
from typing import TYPE_CHECKING

from store.catalog.checking import losses
from store.model.digests import Digest
from store.repair.needs import find_needs
from tests.support.damage import mark_damaged
from tests.support.images import A, B, config
from tests.support.layouts import Layout, gzip
from tests.support.stored_images import put_image

if TYPE_CHECKING:
    from store import Store
    from store.repair.needs import Needs


def needs(store: Store, *found: Digest, brought: tuple[Digest, ...] = ()) -> Needs:
    with store.read() as connection:
        return find_needs(connection, found, brought=brought)


def encoding(store: Store, diff: bytes) -> Digest:
    with store.read() as connection:
        (pair,) = losses.encodings_of(connection, {Digest.of(diff)})
    return pair.stored


def test_nothing_is_wanted_of_a_sound_store(store: Store) -> None:
    put_image(store, A, tags=("x:1",))
    assert needs(store).is_empty


def test_a_layer_without_a_listed_encoding_may_come_in_any(store: Store) -> None:
    put_image(store, A, B, tags=("x:1",))
    lost = encoding(store, A)
    found = needs(store, lost)
    assert found.wanted.exact == found.redundant == set()
    assert found.wanted.diffs == {Digest.of(A)}
    assert found.lost == found.unnamed == {lost}
    # A mark counts as well; and what a dry run has brought counts as sound.
    mark_damaged(store, lost)
    assert needs(store).wanted == found.wanted
    assert not needs(store, brought=(Digest.of(A), lost)).wanted.every


def test_a_config_is_wanted_exactly(store: Store) -> None:
    put_image(store, A, tags=("x:1",))
    found = needs(store, Digest.of(config(A)))
    assert found.wanted.exact == {Digest.of(config(A))}


def test_a_listed_encoding_is_wanted_exactly_and_its_layer_in_any_form(store: Store) -> None:
    layout = Layout()
    layout.root(layout.image(gzip(A)), "docker.io/team/app:1")
    store.import_archive(io.BytesIO(layout.tar()))
    lost = Digest.of(gzip(A).data)
    found = needs(store, lost)
    assert found.wanted.exact == {lost}
    assert found.wanted.diffs == {Digest.of(A)}
    assert found.unnamed == set()


def test_a_lost_encoding_beside_a_sound_one_is_redundant(store: Store) -> None:
    put_image(store, A, tags=("x:1",))
    lost = encoding(store, A)
    layout = Layout()
    layout.root(layout.image(gzip(A)), "docker.io/team/app:1")
    store.import_archive(io.BytesIO(layout.tar()))
    found = needs(store, lost)
    assert found.redundant == {lost}
    assert not found.wanted.every
    assert not found.is_empty


def test_a_lost_file_whose_bytes_are_decoded_is_not_wanted(store: Store) -> None:
    put_image(store, A, tags=("x:1",))
    found = needs(store, Digest.of(A))
    assert found.stored_otherwise == {Digest.of(A)}
    assert not found.wanted.every
