"""The batches in which a collection deletes rows."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, cast

from store.maintenance import pacing
from store.maintenance.collection import Units

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from sqlalchemy import Connection


class RecordedUnits:
    """Fake read units and write units that are counted when they are opened."""

    def __init__(self) -> None:
        self.reads = self.writes = 0
        self.units = Units(self.read, self.write, lambda: 0.0)

    @contextmanager
    def read(self) -> Iterator[Connection]:
        self.reads += 1
        yield cast("Connection", None)

    @contextmanager
    def write(self) -> Iterator[Connection]:
        self.writes += 1
        yield cast("Connection", None)


def test_candidates_are_deleted_in_batches_of_their_own_write_unit() -> None:
    recorded = RecordedUnits()
    done: list[int] = []

    def act(_: Connection, batch: Sequence[int]) -> int:
        done.extend(batch)
        return len(batch)

    sizes = recorded.units.paced(range(2 * pacing.FIRST_BATCH), act)
    assert done == list(range(2 * pacing.FIRST_BATCH))
    assert sizes[0] == pacing.FIRST_BATCH
    assert (recorded.reads, recorded.writes) == (0, len(sizes))


def test_slow_batches_make_the_next_ones_smaller() -> None:
    clock = iter(range(1000))
    recorded = RecordedUnits()
    units = Units(recorded.read, recorded.write, lambda: float(next(clock)))
    sizes = units.paced(range(200), lambda _, batch: len(batch))
    assert sizes[:2] == [pacing.FIRST_BATCH, pacing.MIN_BATCH]


def test_marking_and_deleting_repeat_until_a_pass_deletes_nothing() -> None:
    recorded = RecordedUnits()
    rounds = [[1, 2], [3], [4], []]
    marked = iter(rounds)
    deleted: list[int] = []

    def delete(_: Connection, batch: Sequence[int]) -> int:
        # Item 4 is in use again.
        free = [item for item in batch if item != 4]
        deleted.extend(free)
        return len(free)

    recorded.units.until_quiet(lambda _: next(marked), delete)
    assert deleted == [1, 2, 3]
    assert recorded.reads == 3
