from __future__ import annotations

from typing import TYPE_CHECKING

from bench.corpora import tags
from store import Store

if TYPE_CHECKING:
    from pathlib import Path

    import pytest


def test_one_image_has_all_names(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tags, "_BATCH_SIZE", 2)
    tags.write_store(tmp_path / "store", tmp_path, repositories=5, tags=3)
    with Store.open(tmp_path / "store") as store:
        names = {str(tag.reference) for image in store.images() for tag in image.references}
        images = {image.image_id for image in store.images()}
    assert len(images) == 1
    assert len(names) == 16
