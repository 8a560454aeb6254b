"""The metrics of scheduled syncs."""

from __future__ import annotations

from datetime import timedelta

from mirror.process.sync_metrics import lines
from store.catalog.upstream.sync_runs import SyncRun
from tests.conftest import NOW


def test_each_sync_has_its_last_run() -> None:
    late = NOW + timedelta(seconds=2.5)
    found = list(
        lines(
            [
                SyncRun("b", "sync-1", NOW, late, NOW, 0, 9, 3, 0, 1 << 40, 0),
                SyncRun('a"\n', "", NOW, NOW, None, 4, 0, 0, 0, 0, 7),
            ]
        )
    )
    assert 'storectl_sync_bytes{sync="b"} 1099511627776' in found
    assert 'storectl_sync_last_duration_seconds{sync="b"} 2.5' in found
    assert 'storectl_sync_last_success_timestamp_seconds{sync="a\\"\\n"} 0' in found
    assert 'storectl_sync_consecutive_failures{sync="a\\"\\n"} 7' in found
    assert f'storectl_sync_last_run_timestamp_seconds{{sync="b"}} {late.timestamp()}' in found
    assert found[0].startswith("# HELP storectl_sync_last_run_timestamp_seconds ")
    assert list(lines([])) == []
