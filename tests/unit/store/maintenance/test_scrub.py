"""The scrubber: what is due, its order, its record, and the marks of damage."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from store import Store
from store.catalog.checking import scrub as rows
from store.errors import StorageFull, Unavailable
from store.maintenance import scrub as module
from store.maintenance.pace import Pace
from store.maintenance.reports import Severity
from store.maintenance.scrub import Scrub, checked_content, damaged_contents
from store.model.contents import ContentState
from store.model.digests import Digest
from store.model.progress import Silent
from tests.conftest import NOW
from tests.support.damage import mark_damaged
from tests.support.images import A, B, E
from tests.support.stored_images import put_image

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from store.maintenance.reports import Finding

DAY = timedelta(days=1)


@dataclass
class Clock:
    """A wall clock that a test sets."""

    now: datetime = NOW

    def __call__(self) -> datetime:
        return self.now


@dataclass
class Seen:
    """A progress that notes which contents are read, in their order."""

    started: list[str] = field(default_factory=list)
    totals: list[int | None] = field(default_factory=list)

    def total(self, size_bytes: int | None) -> None:
        self.totals.append(size_bytes)

    def start(self, key: str, label: str, size_bytes: int | None) -> None:
        del label, size_bytes
        self.started.append(key)

    def advance(self, key: str, size_bytes: int) -> None: ...

    def finish(self, key: str) -> None: ...


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def store(root: Path, clock: Clock) -> Iterator[Store]:
    with Store.open(root, create=True, clock=clock) as opened:
        yield opened


def pace(is_stopped: list[bool] | None = None) -> Pace:
    return Pace(
        None,
        clock=time.monotonic,
        sleep=lambda _: None,
        is_stopped=lambda: bool(is_stopped),
    )


def scrubbed(store: Store, max_age: timedelta | None = None) -> tuple[Scrub, list[Finding]]:
    run = Scrub(store, pace(), Silent(), max_age=max_age)
    return run, list(run.run())


def files(store: Store) -> list[Digest]:
    return sorted(map(store.blobs.digest, store.blobs.locations()), key=str)


def test_everything_is_read_and_then_known_to_be_checked(store: Store, clock: Clock) -> None:
    put_image(store, A, B, tags=("x:1",))
    # Two layers, a config and a manifest; the documents were never checked.
    assert checked_content(store).oldest is None
    run, findings = scrubbed(store)
    assert findings == []
    assert (run.report.contents, run.report.seen, run.report.is_complete) == (4, 4, True)
    assert run.report.size_bytes > 0
    assert checked_content(store).oldest is not None
    clock.now += DAY
    assert scrubbed(store, 2 * DAY)[0].report.seen == 0
    assert scrubbed(store, DAY / 2)[0].report.seen == 4
    assert scrubbed(store)[0].report.seen == 4


def test_bytes_that_were_just_written_count_as_checked(store: Store, clock: Clock) -> None:
    put_image(store, A, tags=("x:1",))
    scrubbed(store)
    clock.now += 10 * DAY
    put_image(store, A, B, tags=("y:1",))
    seen = Seen()
    list(Scrub(store, pace(), seen, max_age=5 * DAY).run())
    # The import has hashed both files: the new one, and the old one, which it relies on and whose
    # time of change is after its publication (the test's clock is slow). Documents have no time.
    assert {str(one) for one in files(store)}.isdisjoint(seen.started)
    assert len(seen.started) == 4


def test_the_content_that_was_not_checked_for_longest_comes_first(
    store: Store, clock: Clock
) -> None:
    put_image(store, A, tags=("x:1",))
    first = files(store)
    clock.now += DAY
    put_image(store, B, tags=("y:1",))
    second = [one for one in files(store) if one not in first]
    seen = Seen()
    list(Scrub(store, pace(), seen).run())
    order = [seen.started.index(str(one)) for one in (*first, *second)]
    assert order == sorted(order)


def test_damage_is_found_marked_and_unmarked(store: Store, clock: Clock) -> None:
    put_image(store, A, tags=("x:1",))
    (digest,) = files(store)
    data = store.blobs.path(digest).read_bytes()
    store.blobs.path(digest).write_bytes(data[:-1] + b"!")
    run, (finding,) = scrubbed(store)
    assert (finding.kind, finding.severity) == ("damaged", Severity.ERROR)
    assert finding.images == ("docker.io/library/x:1",)
    assert run.report.errors == 1
    assert store.sources((digest,))[digest].state is ContentState.DAMAGED
    # The digest, and the layer that is decoded from it.
    assert damaged_contents(store) == checked_content(store).damaged == 2
    store.blobs.path(digest).write_bytes(data)
    clock.now += DAY
    run, (finding,) = scrubbed(store)
    assert (finding.kind, finding.severity, run.report.errors) == (
        "marked-damaged",
        Severity.WARNING,
        0,
    )
    assert store.sources((digest,))[digest].state is ContentState.PRESENT
    assert damaged_contents(store) == 0


def test_missing_and_unreadable_content_is_found_and_stays_due(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    put_image(store, A, B, tags=("x:1",))
    gone, unreadable = files(store)
    store.blobs.path(gone).unlink()
    opened = store.blobs.open

    def failing(location: str) -> object:
        if store.blobs.digest(location) == unreadable:  # type: ignore[arg-type] # a location
            raise Unavailable("input/output error")
        return opened(location)  # type: ignore[arg-type] # a location

    monkeypatch.setattr(store.blobs, "open", failing)
    for _ in range(2):
        run, findings = scrubbed(store)
        assert sorted(one.kind for one in findings) == ["missing", "unreadable"]
        assert run.report.is_complete
    assert store.sources((gone,))[gone].state is ContentState.PRESENT


def test_a_missing_file_whose_bytes_are_decoded_is_a_warning(store: Store) -> None:
    put_image(store, A, tags=("x:1",))
    layer = Digest.of(A)
    with store.write() as connection:
        connection.exec_driver_sql(
            "INSERT INTO blob SELECT id, ? FROM content WHERE digest = ?",
            (f"{NOW:%Y-%m-%dT%H:%M:%S.%fZ}", str(layer)),
        )
    (finding,) = scrubbed(store)[1]
    assert (finding.kind, finding.severity) == ("missing", Severity.WARNING)


def test_a_wrong_size_in_the_catalogue_is_an_error(store: Store) -> None:
    put_image(store, A, tags=("x:1",))
    with store.write() as connection:
        connection.exec_driver_sql(
            "UPDATE content SET size_bytes = size_bytes + 1 WHERE id = (SELECT content_id FROM"
            " blob)"
        )
    assert [one.kind for one in scrubbed(store)[1]] == ["wrong-size"]


def test_an_interrupted_scrub_is_continued(
    store: Store, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    put_image(store, A, B, E, tags=("x:1",))
    monkeypatch.setattr(module, "_RECORD_AFTER", 1)
    stop: list[bool] = []
    seen = Seen()
    first = Scrub(store, pace(stop), seen, on_record=lambda *_: stop.append(True))
    assert list(first.run()) == []
    assert not first.report.is_complete
    assert 0 < first.report.contents < 5
    clock.now += DAY
    again = Seen()
    second = Scrub(store, pace(), again)
    assert list(second.run()) == []
    assert second.report.resumed_from == NOW
    assert set(again.started).isdisjoint(seen.started[: first.report.contents])
    assert first.report.contents + second.report.contents == 5
    with store.read() as connection:
        last = rows.last_full_pass(connection)
    assert last is not None
    assert (last.contents, last.errors, last.finished_at) == (5, 0, clock.now)
    # A complete pass is not continued, and neither is one that is too old.
    clock.now += DAY
    third, _ = scrubbed(store)
    assert (third.report.resumed_from, third.report.contents) == (None, 5)


def test_a_reader_that_ends_early_loses_no_record(store: Store) -> None:
    put_image(store, A, B, tags=("x:1",))
    for digest in files(store):
        store.blobs.path(digest).write_bytes(b"rot")
    run = Scrub(store, pace(), Silent()).run()
    next(run)
    run.close()  # type: ignore[attr-defined] # a generator
    assert damaged_contents(store) == 2
    with store.read() as connection:
        assert rows.last_full_pass(connection) is not None
    lock = store.locks.lock_scrub()
    assert lock is not None
    lock.release()


def test_many_contents_are_recorded_in_few_transactions(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(12):
        put_image(store, A, tags=(f"x:{number}",), author=str(number))
    written: list[str] = []
    write = Store.write

    def counted(self: Store, owner: str = "storectl", **more: object) -> object:
        written.append(owner)
        return write(self, owner, **more)  # type: ignore[arg-type] # passed on

    monkeypatch.setattr(Store, "write", counted)
    monkeypatch.setattr(module, "_PAGE", 7)
    monkeypatch.setattr(module, "_CHUNK", 3)
    run, _ = scrubbed(store)
    assert run.report.contents == 25
    assert written == ["scrub"]


def test_a_second_scrub_is_refused(store: Store) -> None:
    put_image(store, A, tags=("x:1",))
    lock = store.locks.lock_scrub()
    assert lock is not None
    with pytest.raises(Unavailable, match="another process is scrubbing"):
        scrubbed(store)
    lock.release()
    assert scrubbed(store)[0].report.is_complete


def test_a_read_only_store_is_read_and_not_changed(store: Store, root: Path) -> None:
    put_image(store, A, tags=("x:1",))
    (digest,) = files(store)
    mark_damaged(store, digest)
    with Store.open(root, read_only=True, clock=lambda: NOW) as reader:
        run, (finding,) = scrubbed(reader)
        assert finding.kind == "marked-damaged"
        assert run.report.contents == 3
    store.blobs.path(digest).write_bytes(b"rot")
    with Store.open(root, read_only=True, clock=lambda: NOW) as reader:
        assert [one.kind for one in scrubbed(reader)[1]] == ["damaged"]
    with store.read() as connection:
        assert rows.last_full_pass(connection) is None


def test_a_full_disk_keeps_nothing_from_being_read(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    put_image(store, A, tags=("x:1",))
    (digest,) = files(store)
    store.blobs.path(digest).write_bytes(b"rot")

    def full(*_arguments: object, **_named: object) -> object:
        raise StorageFull("no space left on device")

    monkeypatch.setattr(Store, "write", full)
    run, findings = scrubbed(store)
    assert [one.kind for one in findings] == ["damaged", "not-recorded"]
    assert run.report.contents == 3
