from __future__ import annotations

import pytest

from store.maintenance.pacing import FIRST_BATCH, MAX_BATCH, MIN_BATCH, TARGET_S, BatchPacer


def worked(count: int, cost_s: float) -> list[int]:
    """Return the sizes of the batches into which a `BatchPacer` divides ``count`` items."""
    pace, sizes = BatchPacer(), []
    for batch in pace.batches(range(count)):
        sizes.append(len(batch))
        pace.note(len(batch), len(batch) * cost_s)
    assert sum(sizes) == count
    return sizes


@pytest.mark.parametrize("cost_s", [0.0, 0.0001, 0.0005, 0.001, 1.0])
def test_batches_reach_the_target_time_and_stay_there(cost_s: float) -> None:
    sizes = worked(5000, cost_s)
    assert sizes[0] == FIRST_BATCH
    assert max(sizes) <= MAX_BATCH
    for size in sizes[1:]:
        # A growing batch may take longer than the target, but never the tenth of a second that is
        # promised to importers.
        assert size == MIN_BATCH or size * cost_s <= 2 * TARGET_S
    if cost_s == 0:
        assert sizes[-2] == MAX_BATCH


def test_batches_shrink_at_once_and_grow_slowly() -> None:
    pace = BatchPacer(400)
    pace.note(400, 10 * TARGET_S)
    assert pace.size == 200
    pace.note(200, TARGET_S / 2)
    assert pace.size == 251
    for _ in range(10):
        pace.note(pace.size, 1.0)
    assert pace.size == MIN_BATCH


def test_a_short_last_batch_does_not_change_the_size() -> None:
    pace = BatchPacer(100)
    pace.note(3, 0.0)
    assert pace.size == 100


def test_no_items_make_no_batch() -> None:
    assert worked(0, 1.0) == []
