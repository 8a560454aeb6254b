from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from store import Store
from store.maintenance import quarantine
from store.maintenance.collection import Tally
from store.maintenance.reports import KeptReason
from store.model.digests import Digest
from store.registry.registry import Registry
from tests.conftest import NOW
from tests.support.registry_pushes import push_blob

if TYPE_CHECKING:
    from pathlib import Path

WEEK = timedelta(days=7)


def put_orphan(store: Store, data: bytes = b"orphan") -> Digest:
    path = store.blobs.path(Digest.of(data))
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    return Digest.of(data)


def test_a_file_without_a_row_stays_for_a_week(root: Path) -> None:
    now = NOW
    with Store.open(root, create=True, clock=lambda: now) as store:
        digest = put_orphan(store)
        tried = store.collect(dry_run=True)
        report = store.collect()
        assert tried.kept == report.kept
        (kept,) = report.kept
        assert (kept.reason, kept.files, kept.size_bytes) == (KeptReason.QUARANTINED, 1, 6)
        assert kept.until == NOW + WEEK
        assert (report.orphan_files, report.freed_bytes) == (0, 0)
        assert not store.blobs.path(digest).exists()
        usage = store.usage(each=False)
        assert (usage.kept, usage.on_disk_bytes) == (
            report.kept,
            usage.database_bytes + usage.reserve_bytes + 6,
        )
        now = NOW + WEEK - timedelta(seconds=1)
        assert store.collect().kept == report.kept
        now = NOW + WEEK
        tried = store.collect(dry_run=True)
        report = store.collect()
        assert (tried.orphan_files, tried.freed_bytes, tried.kept) == (1, 6, ())
        assert (report.orphan_files, report.freed_bytes, report.kept) == (1, 6, ())
        assert list((store.root / "quarantine").iterdir()) == []


def test_a_file_comes_back_when_the_catalogue_is_restored(store: Store) -> None:
    digest = push_blob(Registry(store), b"newer than the backup")
    rows = "SELECT content_id, created_at FROM blob"
    with store.write("test") as connection:
        saved = [tuple(row) for row in connection.exec_driver_sql(rows)]
        connection.exec_driver_sql("DELETE FROM blob")
    store.collect()
    assert not store.blobs.path(digest).exists()
    assert quarantine.give_back(store) == 0
    with store.write("test") as connection:
        connection.exec_driver_sql("INSERT INTO blob VALUES (?, ?)", saved[0])
    assert list(store.fsck()) == []
    assert store.blobs.path(digest).read_bytes() == b"newer than the backup"
    assert store.collect().orphan_files == 0


def test_a_dry_run_removes_nothing(store: Store) -> None:
    put_orphan(store)
    store.collect()
    tally = Tally()
    with Store.open(store.root, clock=lambda: NOW + WEEK) as later:
        quarantine.remove_expired(later, tally, dry_run=True)
        assert (tally.orphans, tally.freed_bytes) == (1, 6)
        assert len(list((store.root / "quarantine").iterdir())) == 1
        assert quarantine.kept(later, tally, dry_run=True) == []


def test_the_user_says_how_long_files_stay(store: Store) -> None:
    put_orphan(store)
    store.quarantine_for = timedelta(days=30)
    (kept,) = store.collect().kept
    assert kept.until == NOW + timedelta(days=30)
    with Store.open(store.root, clock=lambda: NOW + WEEK) as later:
        later.quarantine_for = timedelta(days=30)
        assert later.collect().orphan_files == 0
        later.quarantine_for = timedelta(0)
        assert later.collect().orphan_files == 1
    assert list((store.root / "quarantine").iterdir()) == []
