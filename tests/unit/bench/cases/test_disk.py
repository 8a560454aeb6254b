from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from bench.cases import disk
from bench.contestants import limits
from bench.corpora.generated import ImageSpec, LayerSpec, write_archive
from bench.model import CORES, Sample

if TYPE_CHECKING:
    from pathlib import Path


def test_each_layer_is_given_to_the_command_by_itself(tmp_path: Path) -> None:
    archive = tmp_path / "images.tar"
    layers = (LayerSpec(1, 200_000), LayerSpec(2, 1))
    write_archive(archive, [ImageSpec("app:1", layers)])
    whole = disk.Layers("cat", ["cat"], [archive, archive]).run().disk_bytes
    count = disk.Layers("one byte each", ["head", "-c", "1"], [archive]).run().disk_bytes
    assert count == 2
    assert whole > 2 * 200_000
    assert whole % 1024 == 0


def test_only_files_below_blobs_are_weighed(tmp_path: Path) -> None:
    (tmp_path / "blobs" / "sha256").mkdir(parents=True)
    (tmp_path / "blobs" / "sha256" / "a").write_bytes(bytes(100))
    (tmp_path / "store.db").write_bytes(bytes(1000))
    assert disk.Blobs("ours", lambda: tmp_path).run().disk_bytes == 100


def test_the_limit_of_a_check_is_the_work_spread_over_all_cores() -> None:
    names = (limits.HASH_STORED, limits.DECODE, limits.HASH)
    found = disk._checking_bound({name: Sample(1, 2.0) for name in names})
    assert found == pytest.approx(6 / CORES)
