"""Generated images and archives, given to a real Docker Engine 20.10 and to storectl.

Both programs give the same IDs, lines, parents and saved bytes; Docker's answer is expected.

STORECTL_INTEROP_CONFIGS sets how many examples are generated, and STORECTL_INTEROP_SEED sets the
seed. A failure names its seed and shows the smallest example that hypothesis finds.
"""

from __future__ import annotations

import itertools
import os
from typing import TYPE_CHECKING, Final, TypeVar

import pytest

from tests.support.archive_cases import load_sequences
from tests.support.docker_archive_comparison import ArchiveComparison
from tests.support.docker_comparison import ImageComparison
from tests.support.flawed_configs import cases
from tests.support.old_archives import old_sequences
from tests.support.sampling import sample, smallest
from tests.support.saved_archives import without_manifest

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from hypothesis.strategies import SearchStrategy

    from tests.support.archive_cases import LoadCase
    from tests.support.configs import ImageCase
    from tests.support.engine import Engine
    from tests.support.old_archives import OldCase
    from tests.support.storectl_adapter import Storectl

pytestmark = [pytest.mark.interop, pytest.mark.xdist_group("engine"), pytest.mark.timeout(1800)]

CONFIGS: Final = int(os.environ.get("STORECTL_INTEROP_CONFIGS", "60"))
SEQUENCES: Final = -(-CONFIGS // 3)
"""There are few sequences, because an engine needs more time for archives of several images."""

SEED: Final = int(os.environ.get("STORECTL_INTEROP_SEED", "20"))

Example = TypeVar("Example")


def compare(
    strategy: SearchStrategy[Example],
    count: int,
    differences: Callable[[Sequence[Example]], dict[Example, str]],
) -> list[Example]:
    """Generate examples and fail with the smallest one on which Docker and storectl differ."""
    examples = sample(strategy, count, seeded=SEED)
    found = differences(examples)
    if found:
        known = {example: example in found for example in examples}
        least = smallest(
            strategy,
            count,
            seeded=SEED,
            known=known,
            fails=lambda example: example in found or bool(differences([example])),
        )
        what = found[least] if least in found else differences([least])[least]
        shown = "\n".join(map(str, least)) if isinstance(least, tuple) else repr(least)
        pytest.fail(
            f"{len(found)} of {len(examples)} differ (STORECTL_INTEROP_SEED={SEED}); the smallest:"
            f" {what}\n{shown}",
            pytrace=False,
        )
    return examples


def test_docker_and_storectl_agree_about_images(docker: Engine, storectl: Storectl) -> None:
    docker.clear()
    comparison = ImageComparison(docker, storectl)

    def differences(images: Sequence[ImageCase]) -> dict[ImageCase, str]:
        return {found.case: found.what for found in comparison.compare(images)}

    images = compare(cases(), CONFIGS, differences)
    assert len(images) == CONFIGS
    assert CONFIGS * 3 // 4 <= len(comparison.loaded) < CONFIGS, (
        "too few images were loaded, or no image was refused"
    )
    # Each save has images that share directories, with links from layers to other images.
    for start in range(0, len(comparison.loaded), 20):
        assert comparison.compare_joint_save(comparison.loaded[start : start + 20]) is None


def test_archives_leave_both_with_the_same_images_names_and_parents(
    docker: Engine, tmp_path: Path
) -> None:
    comparison = ArchiveComparison(docker, tmp_path)

    def differences(sequences: Sequence[tuple[LoadCase, ...]]) -> dict[tuple[LoadCase, ...], str]:
        verdicts = (
            (sequence, comparison.compare([case.archive() for case in sequence]))
            for sequence in sequences
        )
        return {sequence: what for sequence, what in verdicts if what is not None}

    sequences = compare(load_sequences(), SEQUENCES, differences)
    assert len(sequences) == SEQUENCES
    assert comparison.images > SEQUENCES // 2 > comparison.refused
    assert comparison.parents


def test_archives_from_before_docker_1_10_become_the_same_images(
    docker: Engine, tmp_path: Path
) -> None:
    comparison = ArchiveComparison(docker, tmp_path)

    def differences(sequences: Sequence[tuple[OldCase, ...]]) -> dict[tuple[OldCase, ...], str]:
        verdicts = (
            (sequence, comparison.compare([case.archive() for case in sequence], silent=True))
            for sequence in sequences
        )
        return {sequence: what for sequence, what in verdicts if what is not None}

    sequences = compare(old_sequences(), SEQUENCES, differences)
    assert len(sequences) == SEQUENCES
    assert comparison.images > SEQUENCES // 2 > comparison.refused
    assert comparison.parents


def test_a_saved_archive_without_its_manifest_loads_as_an_old_one(
    docker: Engine, storectl: Storectl, tmp_path: Path
) -> None:
    docker.clear()
    comparison = ImageComparison(docker, storectl)
    comparison.compare(sample(cases(), max(8, CONFIGS // 10), seeded=SEED + 1))
    archives = [
        without_manifest(storectl.save(list(names)))
        for names in itertools.pairwise(comparison.loaded[:5])
    ]
    old = ArchiveComparison(docker, tmp_path)
    assert [
        what for archive in archives if (what := old.compare([archive], silent=True)) is not None
    ] == []
    assert old.images
