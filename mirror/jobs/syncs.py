"""The scheduled syncs of a server: the leader of the workers runs each when it is due.

The last run of each sync is in the store, so that a restart repeats none, every worker can report
it, and one of several servers runs it.
"""

from __future__ import annotations

import asyncio
import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, final

from mirror.jobs.periodic import attempt
from mirror.jobs.program import Program
from mirror.jobs.sync_result import SyncResult
from mirror.process.logs import FIELDS
from store.catalog.upstream import sync_runs
from store.catalog.upstream.sync_runs import SyncRun
from store.errors import StoreError, printable

if TYPE_CHECKING:
    from concurrent.futures import Executor
    from datetime import datetime

    from mirror.jobs.schedule import Schedule
    from store import Store

logger = logging.getLogger(__name__)

MAX_RUNNING: Final = 4
"""How many syncs run at once; others wait for their turn."""

REPEATED: Final = 3
"""After how many failed runs in a row ``/readyz`` speaks of a sync."""

LOOK_INTERVAL_S: Final = 60.0
"""How often a server looks whether another one has run a sync, or the clock was set."""

_LEAST_PAUSE_S: Final = 0.05


@final
@dataclass(frozen=True, slots=True)
class ScheduledSync:
    """A sync that a server runs.

    Attributes:
        name: The name of the sync.
        schedule: When it runs.
        command: The program that runs it, with its arguments.
    """

    name: str
    schedule: Schedule
    command: tuple[str, ...]


@final
class SyncSchedule:
    """The syncs of a server; they can change while it runs."""

    def __init__(self, syncs: tuple[ScheduledSync, ...] = ()) -> None:
        self._syncs = syncs
        self._running: tuple[asyncio.AbstractEventLoop, asyncio.Event] | None = None

    @property
    def syncs(self) -> tuple[ScheduledSync, ...]:
        """The syncs, in the order of the settings."""
        return self._syncs

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the syncs."""
        return tuple(one.name for one in self._syncs)

    def change(self, syncs: tuple[ScheduledSync, ...]) -> None:
        """Use other syncs from now on; what runs goes on. Any thread may call this."""
        self._syncs = syncs
        if self._running is not None:
            loop, changed = self._running
            loop.call_soon_threadsafe(changed.set)

    def watch(self) -> asyncio.Event:
        """Return an event of the running loop that is set at each change."""
        changed = asyncio.Event()
        self._running = asyncio.get_running_loop(), changed
        return changed

    def last_runs(self, store: Store) -> dict[str, SyncRun]:
        """Return the last run of each sync, by its name.

        Raises:
            StoreError: The store cannot be read.
        """
        with store.read() as connection:
            return sync_runs.last_runs(connection, self.names)

    def reported(self, store: Store) -> list[SyncRun]:
        """Return the last run of each sync; empty if the store cannot be read."""
        try:
            return list(self.last_runs(store).values())
        except StoreError:
            return []

    def failing(self, store: Store) -> int:
        """Return how many syncs have failed at least `REPEATED` times in a row."""
        return sum(run.failures >= REPEATED for run in self.reported(store))


@final
class Syncs:
    """Runs the syncs of a server when they are due.

    Args:
        store: The store, which is not read-only.
        schedule: The syncs.
        executor: The threads that wait for the programs, `MAX_RUNNING` of them.
        grace_s: How long a program may take to end when the server stops, in seconds.
    """

    def __init__(
        self, store: Store, schedule: SyncSchedule, executor: Executor, grace_s: float
    ) -> None:
        self._store = store
        self._schedule = schedule
        self._executor = executor
        self._grace_s = grace_s
        self._running: dict[str, tuple[asyncio.Task[None], Program]] = {}
        self._seen: dict[str, tuple[Schedule, datetime]] = {}
        self._is_stopping = False

    async def run(self) -> None:
        """Run syncs until cancelled."""
        changed = self._schedule.watch()
        try:
            while True:
                changed.clear()
                pause_s = await self._begin_due()
                try:
                    async with asyncio.timeout(pause_s):
                        await changed.wait()
                except TimeoutError:
                    pass
        finally:
            tasks = [task for task, _ in self._running.values()]
            for task in tasks:
                task.cancel()
            if tasks:
                await asyncio.wait(tasks)

    def close(self) -> None:
        """End the threads; call this when the task has ended."""
        self._executor.shutdown(cancel_futures=True)

    def stop(self) -> None:
        """Let the programs end now, before the task is cancelled: the server stops."""
        self._is_stopping = True
        for _, program in self._running.values():
            program.stop()

    async def _begin_due(self) -> float:
        """Begin the syncs that are due; return after how many seconds to look again."""
        try:
            last_runs = await asyncio.to_thread(self._schedule.last_runs, self._store)
        except StoreError as exc:
            logger.warning("cannot look for due syncs: %s", printable(exc.message))
            return LOOK_INTERVAL_S
        now, pause_s = self._store.now(), LOOK_INTERVAL_S
        for sync in self._schedule.syncs:
            seen = self._seen.get(sync.name)
            if seen is None or seen[0] != sync.schedule:
                seen = self._seen[sync.name] = sync.schedule, now
            if sync.name in self._running or self._is_stopping:
                continue
            last = last_runs.get(sync.name)
            due = sync.schedule.next_run(None if last is None else last.began_at, seen[1], now)
            wait_s = (due - now).total_seconds()
            if wait_s <= 0:
                self._begin(sync)
            else:
                pause_s = min(pause_s, max(wait_s, _LEAST_PAUSE_S))
        return pause_s

    def _begin(self, sync: ScheduledSync) -> None:
        program = Program(sync.command, self._grace_s)
        task = asyncio.create_task(
            attempt(
                self._executor,
                lambda: self._run_one(sync, program),
                program.stop,
                f"run the sync {sync.name}",
            )
        )
        self._running[sync.name] = task, program
        task.add_done_callback(lambda _: self._running.pop(sync.name, None))

    def _run_one(self, sync: ScheduledSync, program: Program) -> None:
        """Run a sync in a thread, unless another server does, and remember the run."""
        lock = self._store.locks.lock_task(f"sync {sync.name}")
        if lock is None:
            return
        try:
            last = self._schedule.last_runs(self._store).get(sync.name)
            began = self._store.now()
            logger.info("began sync", extra={FIELDS: {"sync": sync.name}})
            result = SyncResult.of(program.run(lock))
            run = _run(sync.name, result, last, began, self._store.now())
            _log(run, result)
            if not result.was_stopped:
                with self._store.write("sync") as connection:
                    sync_runs.put(connection, run)
        finally:
            lock.release()


def _run(
    name: str, result: SyncResult, last: SyncRun | None, began: datetime, ended: datetime
) -> SyncRun:
    is_failure = result.is_failure
    before = (None, 0) if last is None else (last.succeeded_at, last.failures)
    return SyncRun(
        name,
        result.run,
        began,
        ended,
        before[0] if is_failure else ended,
        result.exit_code,
        result.images,
        result.moved,
        result.failed,
        result.size_bytes,
        before[1] + 1 if is_failure else 0,
    )


def _log(run: SyncRun, result: SyncResult) -> None:
    fields = {
        "sync": run.sync,
        "run": run.run,
        "seconds": round((run.ended_at - run.began_at).total_seconds(), 3),
        "exit_code": run.exit_code,
        "images": run.images,
        "moved": run.moved,
        "failed": run.failed,
        "left": result.counts.get("left", 0),
        "bytes": run.size_bytes,
    }
    if result.was_stopped:
        logger.info("stopped sync", extra={FIELDS: fields})
        return
    for name, message in result.failures:
        failure = {"sync": run.sync, "image": name, "error": printable(message)}
        logger.warning("failed to sync an image", extra={FIELDS: failure})
    if result.message:
        fields["error"] = printable(result.message)
    level = logging.WARNING if result.is_failure else logging.INFO
    logger.log(level, "ended sync", extra={FIELDS: fields})
