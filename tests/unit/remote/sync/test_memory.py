"""What a sync remembers survives it."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from remote.sync.items import Item
from remote.sync.memory import FLUSH_EVERY, SyncMemory
from remote.sync.sources import Parts
from store import Store
from store.model.digests import Digest
from tests.support.syncs import read

if TYPE_CHECKING:
    from pathlib import Path

NOW, LATER = datetime(2026, 1, 2, tzinfo=UTC), datetime(2026, 1, 3, tzinfo=UTC)
ONE, TWO = Digest.of(b"1"), Digest.of(b"2")
(SOURCE,) = read("sources: [{repository: team/app}]").sources
ITEM = Item.of_tag(SOURCE, Parts(), "1")


def test_a_tag_is_remembered_by_the_name_of_the_sync(store: Store) -> None:
    memory = SyncMemory(store, "one")
    memory.note_time(ITEM, ONE, NOW, NOW)
    memory.note_checked(ITEM, ONE, '"e"', LATER)
    memory.note_failure(ITEM, LATER)
    memory.flush()
    row = SyncMemory(store, "one").get(ITEM)
    assert row is not None
    assert (row.digest, row.etag, row.created_at, row.checked_at, row.failures) == (
        ONE,
        '"e"',
        NOW,
        LATER,
        1,
    )
    assert SyncMemory(store, "other").get(ITEM) is None


def test_a_moved_tag_has_no_old_facts(store: Store) -> None:
    memory = SyncMemory(store, "one")
    memory.note_time(ITEM, ONE, NOW, NOW)
    memory.note_checked(ITEM, ONE, '"e"', NOW)
    memory.note_time(ITEM, TWO, LATER, LATER)
    row = memory.get(ITEM)
    assert row is not None
    assert (row.digest, row.etag, row.parts, row.created_at) == (TWO, "", "", LATER)
    memory.note_checked(ITEM, ONE, "", LATER)
    row = memory.get(ITEM)
    assert row is not None
    assert row.created_at is None


def test_another_source_of_a_name_begins_anew_and_a_digest_is_not_remembered(store: Store) -> None:
    memory = SyncMemory(store, "one")
    memory.note_checked(ITEM, ONE, "", NOW)
    (other,) = read("sources: [{image: 'other/app:1', to: 'team/app:1'}]").sources
    assert memory.get(Item.of_tag(other, Parts(), "1")) is None
    exact = Item.of_digest(SOURCE, Parts(), ONE)
    memory.note_checked(exact, ONE, "", NOW)
    memory.note_failure(exact, NOW)
    assert list(memory.rows()) == [ITEM.key]


def test_a_plan_writes_nothing(store: Store) -> None:
    memory = SyncMemory(store, "one", is_kept=False)
    memory.note_failure(ITEM, NOW)
    memory.flush()
    assert SyncMemory(store, "one").rows() == {}


def test_what_is_forgotten_is_not_written(store: Store) -> None:
    memory = SyncMemory(store, "one")
    memory.note_checked(ITEM, ONE, "", NOW)
    memory.forget(ITEM.key)
    memory.flush()
    assert SyncMemory(store, "one").rows() == {}


def test_a_run_writes_once_a_second(tmp_path: Path) -> None:
    now = NOW
    with Store.open(tmp_path, create=True, clock=lambda: now) as store:
        memory = SyncMemory(store, "one")
        memory.note_checked(ITEM, ONE, "", NOW)
        memory.flush_sometimes()
        assert SyncMemory(store, "one").get(ITEM) is None
        now += FLUSH_EVERY
        memory.flush_sometimes()
        assert SyncMemory(store, "one").get(ITEM) is not None
        # The clock was set back.
        memory.note_checked(ITEM, TWO, "", NOW)
        now = NOW
        memory.flush_sometimes()
        row = SyncMemory(store, "one").get(ITEM)
        assert row is not None
        assert row.digest == TWO
