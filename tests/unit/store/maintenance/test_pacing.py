"""Pieces of work that take about as long as they should, whatever a row costs."""

from __future__ import annotations

import pytest

from store.maintenance.pacing import FIRST_BATCH, MAX_BATCH, MIN_BATCH, TARGET_S, BatchPacer


def worked(count: int, cost_s: float) -> list[int]:
    """The sizes of the pieces of ``count`` items that cost so much each."""
    pace, sizes = BatchPacer(), []
    for piece in pace.batches(range(count)):
        sizes.append(len(piece))
        pace.note(len(piece), len(piece) * cost_s)
    assert sum(sizes) == count
    return sizes


@pytest.mark.parametrize("cost_s", [0.0, 0.0001, 0.0005, 0.001, 1.0])
def test_pieces_come_to_the_target_and_stay_there(cost_s: float) -> None:
    sizes = worked(5000, cost_s)
    assert sizes[0] == FIRST_BATCH
    assert max(sizes) <= MAX_BATCH
    for size in sizes[1:]:
        # Growing overshoots the target once in a while, but never the tenth of a second that is
        # promised.
        assert size == MIN_BATCH or size * cost_s <= 2 * TARGET_S
    if cost_s == 0:
        assert sizes[-2] == MAX_BATCH


def test_what_becomes_dear_shrinks_at_once() -> None:
    pace = BatchPacer(400)
    pace.note(400, 10 * TARGET_S)
    assert pace.size == 200
    pace.note(200, TARGET_S / 2)
    assert pace.size == 251
    for _ in range(10):
        pace.note(pace.size, 1.0)
    assert pace.size == MIN_BATCH


def test_a_short_last_piece_says_nothing_about_the_next() -> None:
    pace = BatchPacer(100)
    pace.note(3, 0.0)
    assert pace.size == 100


def test_nothing_is_no_piece() -> None:
    assert worked(0, 1.0) == []
