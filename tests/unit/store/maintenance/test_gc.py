from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, cast

import pytest

from store.maintenance import pacing
from store.maintenance.gc import Collector, _Units
from store.model.digests import Digest
from tests.support.images import A, B, E
from tests.support.stored_images import put_image, set_parent

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from sqlalchemy import Connection

    from store import Store


class RecordedUnits:
    """Fake read units and write units that are counted when they are opened."""

    def __init__(self) -> None:
        self.reads = self.writes = 0
        self.units = _Units(self.read, self.write, lambda: 0.0)

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
    units = _Units(recorded.read, recorded.write, lambda: float(next(clock)))
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


def test_unnamed_images_stay_unless_dangling_ones_are_deleted(store: Store) -> None:
    unnamed = put_image(store, A)
    put_image(store, B, tags=("x:1",))
    assert Collector(store).run(dangling=False).images == ()
    report = Collector(store).run(dangling=True)
    assert (report.images, report.layers, report.manifests) == ((unnamed,), 1, 1)
    assert len(report.blobs) == 1
    assert report.freed_bytes > 0


def test_an_unnamed_parent_of_a_named_image_stays(store: Store) -> None:
    parent = put_image(store, A)
    set_parent(store, put_image(store, A, B, tags=("x:1",)), parent)
    assert Collector(store).run(dangling=True).images == ()


def test_a_dry_run_reports_what_a_run_deletes_and_changes_nothing(store: Store) -> None:
    put_image(store, A, E)
    put_image(store, B)
    before = sorted(map(str, store.blobs.locations()))
    tried = Collector(store).dry_run(dangling=True)
    assert sorted(map(str, store.blobs.locations())) == before
    assert len(store.images()) == 2
    done = Collector(store).run(dangling=True)
    assert tried.dry_run
    assert not done.dry_run
    assert (set(tried.images), tried.layers, set(tried.blobs), tried.freed_bytes) == (
        set(done.images),
        done.layers,
        set(done.blobs),
        done.freed_bytes,
    )
    assert list(store.blobs.locations()) == []


def test_files_without_a_row_are_removed(store: Store) -> None:
    path = store.blobs.path(Digest.of(b"orphan"))
    path.parent.mkdir(parents=True)
    path.write_bytes(b"orphan")
    report = Collector(store).run(dangling=False)
    assert (report.orphan_files, report.freed_bytes) == (1, len(b"orphan"))
    assert not path.exists()


@pytest.mark.parametrize("dangling", [False, True])
def test_an_empty_store_has_nothing_to_collect(store: Store, *, dangling: bool) -> None:
    report = Collector(store).run(dangling=dangling)
    assert (report.images, report.blobs, report.freed_bytes) == ((), (), 0)
