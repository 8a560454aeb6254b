from __future__ import annotations

import os
from datetime import timedelta
from typing import TYPE_CHECKING

from store import Store
from store.blobs.downloads import KEPT_FOR, Downloads
from store.maintenance.reports import KeptReason
from store.model.digests import Digest
from tests.conftest import NOW

if TYPE_CHECKING:
    from pathlib import Path

DIGEST = Digest.of(b"whole")


def leave(store: Store) -> Path:
    download = Downloads(store.root).open(DIGEST)
    assert download is not None
    download.file.write(b"who")
    download.close()
    os.utime(download.path, (NOW.timestamp(),) * 2)
    return download.path


def test_an_interrupted_download_stays_for_a_week(root: Path) -> None:
    now = NOW
    with Store.open(root, create=True, clock=lambda: now) as store:
        path = leave(store)
        tried, report = store.collect(dry_run=True), store.collect()
        assert tried.kept == report.kept
        (kept,) = report.kept
        assert (kept.reason, kept.files, kept.size_bytes, kept.until) == (
            KeptReason.DOWNLOAD,
            1,
            3,
            NOW + KEPT_FOR,
        )
        assert (report.downloads, report.freed_bytes) == (0, 0)
        usage = store.usage(each=False)
        assert usage.on_disk_bytes == usage.database_bytes + usage.reserve_bytes + 3
        now = NOW + KEPT_FOR
        for dry_run in (True, False):
            assert path.exists()
            report = store.collect(dry_run=dry_run)
            assert (report.downloads, report.freed_bytes, report.kept) == (1, 3, ())
        assert not path.exists()


def test_the_end_of_all_graces_ends_this_one_too(root: Path) -> None:
    with Store.open(root, create=True, clock=lambda: NOW + timedelta(hours=1)) as store:
        path = leave(store)
        for dry_run in (True, False):
            assert path.exists()
            report = store.collect(dry_run=dry_run, end_grace=True)
            assert (report.downloads, report.freed_bytes, report.kept) == (1, 3, ())
        assert not path.exists()


def test_a_download_in_use_is_never_removed(root: Path) -> None:
    with Store.open(root, create=True, clock=lambda: NOW + KEPT_FOR) as store:
        leave(store)
        download = Downloads(store.root).open(DIGEST)
        assert download is not None
        report = store.collect(end_grace=True)
        assert (report.downloads, report.kept) == (0, ())
        assert download.path.exists()
        download.close()


def test_a_collection_removes_the_files_of_killed_tasks(root: Path) -> None:
    with Store.open(root, create=True) as store:
        lock = store.locks.lock_task("sync")
        assert lock is not None
        left = root / "downloads" / f"{'0' * 32}.lock"
        left.touch()
        store.collect(dry_run=True)
        assert left.exists()
        store.collect()
        assert not left.exists()
        lock.release()
