"""The report of an import."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.support.images import A, B, image

if TYPE_CHECKING:
    from pathlib import Path

    from store import Store


def test_a_repeated_import_reports_no_change(store: Store, tmp_path: Path) -> None:
    path = tmp_path / "archive.tar"
    path.write_bytes(image(A, B).bytes())
    first = store.import_archive(path)
    second = store.import_archive(path)
    assert (first.changed, first.new_images, first.new_layers) == (True, 1, 2)
    assert (second.changed, second.new_images, second.new_layers) == (False, 0, 0)
    assert (second.new_bytes, second.read_bytes) == (0, 0)
    assert first.read_bytes == len(A) + len(B)
    assert (second.images, second.tags, second.lines) == (first.images, first.tags, first.lines)


def test_a_moved_tag_names_the_image_that_it_was_moved_from(store: Store, tmp_path: Path) -> None:
    old, new = tmp_path / "old.tar", tmp_path / "new.tar"
    old.write_bytes(image(A).bytes())
    new.write_bytes(image(B).bytes())
    before = store.import_archive(old)
    (tag,) = store.import_archive(new).tags
    assert tag.replaced == before.images[0]
    (again,) = store.import_archive(new).tags
    assert (again.image_id, again.replaced) == (tag.image_id, None)
