from __future__ import annotations

import pytest

from bench.contestants.ours import START
from bench.derived import beyond_start_s, net, times_faster
from bench.model import Sample

ROUND = {
    "ours": Sample(2.0, 3.0),
    "long": Sample(4.0, 3.0),
    START: Sample(0.5, 0.4),
    "theirs, gzip": Sample(6.0, 1.0),
    "theirs, zstd": Sample(3.0, 1.0),
}


def test_the_start_is_taken_off_work_of_less_than_three_seconds() -> None:
    assert net(ROUND, "ours") == 1.5
    assert net(ROUND, "long") == 4.0
    assert net({"ours": Sample(3.4, 1), START: Sample(0.5, 1)}, "ours") == pytest.approx(2.9)


def test_seconds_beyond_the_start_never_include_it() -> None:
    assert beyond_start_s("long", ROUND) == 3.5


def test_ratios_are_computed_without_the_start() -> None:
    assert times_faster("ours", "theirs, zstd", ROUND) == 2.0
