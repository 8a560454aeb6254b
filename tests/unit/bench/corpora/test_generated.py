from __future__ import annotations

from typing import TYPE_CHECKING

from bench.corpora.generated import ImageSpec, LayerSpec, layer_tar, write_archive
from store import Store

if TYPE_CHECKING:
    from pathlib import Path


def test_generated_images_are_the_same_each_time_and_can_be_imported(tmp_path: Path) -> None:
    base, top = LayerSpec(1, 200_000), LayerSpec(2, 100_000, noise=1, one_file=True)
    assert b"".join(layer_tar(base)) == b"".join(layer_tar(base))
    images = [ImageSpec("made:1", (base, top)), ImageSpec("made:2", (base,))]
    for name in ("one.tar", "two.tar"):
        write_archive(tmp_path / name, images)
    assert (tmp_path / "one.tar").read_bytes() == (tmp_path / "two.tar").read_bytes()
    with Store.open(tmp_path / "store", create=True) as store:
        report = store.import_archive(tmp_path / "one.tar")
    assert (report.new_images, report.new_layers) == (2, 2)
