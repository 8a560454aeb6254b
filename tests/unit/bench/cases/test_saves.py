from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from bench.cases import saves
from bench.contestants import limits
from bench.model import CORES, Sample

if TYPE_CHECKING:
    from pathlib import Path


def test_the_limit_of_a_save_is_the_decoding_or_the_copy() -> None:
    work = {limits.HASH_STORED: Sample(9, 2.0), limits.DECODE: Sample(9, 4.0)}
    assert saves._legacy_bound({**work, limits.COPY: Sample(100, 1)}) == 100
    assert saves._legacy_bound({**work, limits.COPY: Sample(0, 1)}) == pytest.approx(6 / CORES)


def test_the_limit_of_a_pipe_is_its_slower_end_or_all_of_its_work() -> None:
    cores = float(CORES)
    ends = {saves.OURS_TO_PIPE: Sample(3.0, cores), saves.OURS_FROM_PIPE: Sample(4.0, cores)}
    assert saves._pipe_bound(ends) == 4.0
    busy = {name: Sample(1.0, 2 * cores) for name in ends}
    assert saves._pipe_bound(busy) == 4.0


def test_blobs_are_files_in_a_fixed_order(tmp_path: Path) -> None:
    for name in ("sha256/b", "sha256/a"):
        (tmp_path / "blobs" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "blobs" / name).touch()
    assert [path.name for path in saves._blobs(tmp_path)] == ["a", "b"]
