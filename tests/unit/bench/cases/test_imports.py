from __future__ import annotations

import pytest

from bench.cases import imports
from bench.contestants import limits
from bench.contestants.ours import START
from bench.model import CORES, Sample

SECOND = Sample(1.0, 3.0)
ROUND = {
    limits.HASH: SECOND,
    limits.ENCODE: SECOND,
    limits.HASH_STORED: SECOND,
    limits.INFLATE: Sample(1.0, 6.0),
    limits.COPY: Sample(2.5, 0.1),
    imports.OURS: Sample(4.0, 9.0, peak_bytes=100 << 20, temporary_bytes=3 << 19),
    START: Sample(0.5, 0.5),
}


def test_the_limit_of_an_import_is_the_work_spread_over_all_cores() -> None:
    assert imports._raw_bound(ROUND) == pytest.approx(9 / CORES)
    assert imports._layout_bound(limits.INFLATE, ROUND) == pytest.approx(12 / CORES)


def test_an_import_without_compression_is_compared_with_the_slower_of_hash_and_copy() -> None:
    (case,) = (case for case in imports.CASES if case.name == "import-none")
    assert case.targets[0].figure(ROUND) == pytest.approx(4.0 / 2.5)


def test_memory_and_temporary_disk_are_in_mebibytes() -> None:
    assert imports.MEMORY.figure(ROUND) == 100
    assert imports.TEMPORARY.figure(ROUND) == 1.5


def test_a_missing_program_leaves_its_target_without_a_figure() -> None:
    (case,) = (case for case in imports.CASES if case.name == "import-raw")
    with pytest.raises(KeyError):
        case.targets[0].figure(ROUND)
