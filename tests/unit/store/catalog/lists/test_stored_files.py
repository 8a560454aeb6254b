"""The list of all blobs in files."""

from __future__ import annotations

from typing import TYPE_CHECKING

from store.catalog import content
from store.catalog.lists import stored_files
from tests.conftest import NOW
from tests.support.damage import mark_damaged
from tests.support.images import A, B, E, config
from tests.support.stored_images import put_image

if TYPE_CHECKING:
    from store import Store
    from store.model.digests import Digest


def test_every_file_is_listed_once_by_digest(store: Store) -> None:
    put_image(store, A, tags=("a:1",))
    put_image(store, A, B, tags=("ab:1",))
    with store.read() as unit:
        found = list(stored_files.stored_files(unit))
        assert stored_files.number_of_images(unit) == 2
    assert [digest for digest, _ in found] == sorted(store.blobs.digests())
    assert all(store.blobs.path(digest).stat().st_size == size for digest, size in found)


def test_the_newest_files_come_first(store: Store) -> None:
    seen: set[Digest] = set()
    for data in (A, B, E):
        put_image(store, data)
        (new,) = set(store.blobs.digests()) - seen
        seen.add(new)
        with store.read() as unit:
            assert stored_files.newest_files(unit, 1) == [new]
    mark_damaged(store, new)
    with store.read() as unit:
        assert len(stored_files.newest_files(unit, 2)) == 1


def test_a_file_whose_bytes_are_in_the_catalogue_is_left_out(store: Store) -> None:
    image_id = put_image(store, A, tags=("a:1",))
    with store.write() as unit:
        content.put_blob(unit, image_id.digest, len(config(A)), NOW)
        assert image_id.digest not in dict(stored_files.stored_files(unit))
        assert image_id.digest not in stored_files.newest_files(unit, 10)
