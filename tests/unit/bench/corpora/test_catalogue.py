from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import select

from bench.corpora.catalogue import SMALL, Scale, build
from store import Store
from store.db.upstream_schema import sync_tag

if TYPE_CHECKING:
    from pathlib import Path

TINY = Scale(30, layers=4, tags_of_image=2, diffs=20, stems=3)


def test_a_check_of_a_built_store_finds_nothing(tmp_path: Path) -> None:
    build(tmp_path / "store", TINY)
    with Store.open(tmp_path / "store") as store:
        assert list(store.fsck()) == []
        images = list(store.images())
        assert {str(image.image_id) for image in images} == {
            str(store.inspect(TINY.tag(index)).image_id) for index in range(TINY.images)
        }
        with store.read() as connection:
            assert len(connection.execute(select(sync_tag)).all()) == TINY.images
    assert TINY.references == 60


def test_images_of_one_repository_have_different_tags() -> None:
    names = [SMALL.tag(index) for index in range(20)]
    assert len(set(names)) == 20
    assert len({name.partition(":")[0] for name in names}) == 2
