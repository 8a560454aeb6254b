from __future__ import annotations

import pytest

from bench.cases import scale
from bench.contestants.ours import START
from bench.model import Sample


def figures(name: str, **walls: float) -> list[float]:
    (case,) = (case for case in scale.CASES if case.name == name)
    samples = {key: Sample(wall, wall, peak_bytes=3 << 20) for key, wall in walls.items()}
    return [target.figure(samples) for target in case.targets]


def test_questions_are_measured_in_milliseconds() -> None:
    assert figures("scale-look-up", storectl=0.004) == pytest.approx([4, 3])


def test_an_import_is_compared_with_one_into_an_empty_store() -> None:
    walls = {scale.OURS: 1.1, "storectl, empty store": 0.9, START: 0.5}
    assert figures("scale-import", **walls) == pytest.approx([1.5, 3])


def test_a_page_of_images_is_measured_beyond_the_start() -> None:
    assert figures("scale-images", **{scale.OURS: 0.8, START: 0.5}) == pytest.approx([0.3, 3])
