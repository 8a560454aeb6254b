"""The scheduled syncs of a server: each runs when it is due, once, and is remembered."""

from __future__ import annotations

import asyncio
import sys
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from mirror.jobs.schedule import Schedule
from mirror.jobs.syncs import REPEATED, ScheduledSync, Syncs, SyncSchedule
from mirror.steady_threads import SteadyThreads
from store.catalog.upstream import sync_runs
from store.catalog.upstream.sync_runs import SyncRun
from tests.conftest import NOW
from tests.support.waiting import until_in_loop

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from store import Store

DAILY = Schedule(timedelta(days=1))
FAILED = (
    '[{"Run":"sync-1","Counts":{"failed":1},"DownloadedBytes":0,'
    '"Images":[{"Name":"a:1","Status":"failed","Error":{"Message":"gone"}}]}]'
)
PULLED = '[{"Run":"sync-2","Counts":{"pulled":2},"DownloadedBytes":7,"Images":[]}]'


def sync(name: str, code: str, schedule: Schedule = DAILY) -> ScheduledSync:
    return ScheduledSync(name, schedule, (sys.executable, "-I", "-c", code))


def run_until(
    store: Store, schedule: SyncSchedule, is_done: Callable[[], bool], *, stops: bool = False
) -> None:
    async def main() -> None:
        job = Syncs(store, schedule, SteadyThreads(2, "sync"), 60)
        task = asyncio.create_task(job.run())
        await until_in_loop(is_done)
        if stops:
            job.stop()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        job.close()

    asyncio.run(main())


def last(store: Store, name: str) -> SyncRun | None:
    with store.read() as connection:
        return sync_runs.last_runs(connection, [name]).get(name)


def test_a_run_is_remembered_logged_and_not_repeated(
    store: Store, caplog: pytest.LogCaptureFixture, tmp_path: Path
) -> None:
    caplog.set_level("INFO")
    mark = tmp_path / "runs"
    code = f"open({str(mark)!r}, 'a').write('x'); print('''{PULLED}''')"
    schedule = SyncSchedule((sync("nightly", code),))
    run_until(store, schedule, lambda: last(store, "nightly") is not None)
    found = last(store, "nightly")
    assert found is not None
    assert (found.run, found.images, found.moved, found.size_bytes) == ("sync-2", 2, 2, 7)
    assert (found.failures, found.succeeded_at) == (0, found.ended_at)
    (ended,) = (one for one in caplog.records if one.getMessage() == "ended sync")
    assert ended.levelname == "INFO"
    assert ended.__dict__["fields"]["moved"] == 2
    # The next server runs another sync that is due, and this one not.
    schedule = SyncSchedule((sync("nightly", code), sync("other", code)))
    run_until(store, schedule, lambda: last(store, "other") is not None)
    assert mark.read_text() == "xx"


def test_failures_in_a_row_are_counted(store: Store, caplog: pytest.LogCaptureFixture) -> None:
    before = SyncRun("nightly", "", NOW - timedelta(9), NOW - timedelta(9), NOW, 11, 1, 0, 1, 0, 2)
    with store.write() as connection:
        sync_runs.put(connection, before)
    schedule = SyncSchedule((sync("nightly", f"print('''{FAILED}'''); exit(11)"),))
    assert schedule.failing(store) == 0
    run_until(store, schedule, lambda: last(store, "nightly") != before)
    found = last(store, "nightly")
    assert found is not None
    assert (found.failures, found.failed, found.exit_code) == (REPEATED, 1, 11)
    assert found.succeeded_at == NOW
    assert schedule.failing(store) == 1
    messages = {one.getMessage(): one for one in caplog.records if one.levelname == "WARNING"}
    assert messages["failed to sync an image"].__dict__["fields"]["error"] == "gone"
    assert messages["ended sync"].__dict__["fields"]["failed"] == 1


def test_a_sync_that_another_server_runs_is_left_to_it(store: Store) -> None:
    lock = store.locks.lock_task("sync nightly")
    assert lock is not None
    schedule = SyncSchedule((sync("nightly", f"print('''{PULLED}''')"), sync("other", "exit(4)")))
    run_until(store, schedule, lambda: last(store, "other") is not None)
    lock.release()
    assert last(store, "nightly") is None


def test_a_server_that_stops_ends_the_program_and_forgets_the_run(
    store: Store, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    mark = tmp_path / "begun"
    code = f"import time; open({str(mark)!r}, 'w'); time.sleep(3600)"
    run_until(store, SyncSchedule((sync("long", code),)), mark.exists, stops=True)
    # So the next server runs it again at once.
    assert last(store, "long") is None
    assert "stopped sync" in caplog.text


def test_a_change_takes_effect_at_once(store: Store) -> None:
    schedule = SyncSchedule()

    async def main() -> None:
        job = Syncs(store, schedule, SteadyThreads(1, "sync"), 60)
        task = asyncio.create_task(job.run())
        await asyncio.sleep(0.1)
        schedule.change((sync("new", f"print('''{PULLED}''')"),))
        await until_in_loop(lambda: last(store, "new") is not None)
        task.cancel()
        await asyncio.wait({task})
        job.close()

    asyncio.run(main())
    assert schedule.names == ("new",)
    assert [one.sync for one in schedule.reported(store)] == ["new"]
