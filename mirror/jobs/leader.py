"""The jobs of one worker: the leader of the workers has those that run once for each server."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, final

from mirror.jobs.cache import CacheLimiting, CacheRules
from mirror.jobs.scrubbing import DEFAULT_RATE, Scrubbing
from mirror.jobs.syncs import MAX_RUNNING, Syncs
from mirror.steady_threads import SteadyThreads

if TYPE_CHECKING:
    from concurrent.futures import Executor
    from datetime import timedelta

    from mirror.jobs.newcomers import Newcomers
    from mirror.jobs.syncs import SyncSchedule
    from mirror.process.metrics import Metrics
    from store import Store


@final
class LeaderJobs:
    """The jobs that run while the application runs.

    Args:
        scrubbing: The scrub; None if this process does not scrub the store.
        syncs: The scheduled syncs; None if this process does not run them.
        cache: The limits of what was pulled through; None if this process does not keep them.
        newcomers: Looks for images that other processes have stored; None if this process does not.
    """

    def __init__(
        self,
        scrubbing: Scrubbing | None = None,
        syncs: Syncs | None = None,
        cache: CacheLimiting | None = None,
        newcomers: Newcomers | None = None,
    ) -> None:
        self.scrubbing = scrubbing
        self.syncs = syncs
        self.cache = cache
        self.newcomers = newcomers
        self._tasks: list[asyncio.Task[None]] = []

    def start(self) -> None:
        """Begin all jobs."""
        for job in (self.scrubbing, self.syncs, self.cache, self.newcomers):
            if job is not None:
                self._tasks.append(asyncio.create_task(job.run()))

    def stop(self) -> None:
        """Let programs of jobs end soon, while transfers may still go on."""
        for job in (self.syncs, self.cache):
            if job is not None:
                job.stop()

    async def close(self) -> None:
        """End all jobs, and wait for them."""
        for task in self._tasks:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task
        for job in (self.syncs, self.cache):
            if job is not None:
                job.close()


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class JobSettings:
    """The settings of the jobs.

    Attributes:
        scrub_every: How long after its last check stored content is read again; None for no scrub.
        scrub_rate: How many bytes the scrub reads in a second.
        syncs: The syncs that the server runs; None for a server that runs none.
        cache: The limits of what was pulled through; None for a server that never has any.
        grace_s: How long a program may take to end when the server stops, in seconds.
    """

    scrub_every: timedelta | None = None
    scrub_rate: int = DEFAULT_RATE
    syncs: SyncSchedule | None = None
    cache: CacheRules | None = None
    grace_s: float = 60.0


def leader_jobs(
    store: Store,
    metrics: Metrics,
    scrubber: Executor,
    settings: JobSettings,
    newcomers: Newcomers | None = None,
) -> LeaderJobs:
    """Return the jobs of the leader; there are none if it may not write.

    Args:
        store: The store.
        metrics: The counters of this process.
        scrubber: The thread of the scrub.
        settings: The settings of the jobs.
        newcomers: Looks for images that other processes have stored.
    """
    if store.read_only:
        return LeaderJobs()
    return LeaderJobs(
        None
        if settings.scrub_every is None
        else Scrubbing(store, settings.scrub_every, settings.scrub_rate, metrics, scrubber),
        None
        if settings.syncs is None
        else Syncs(store, settings.syncs, SteadyThreads(MAX_RUNNING, "sync"), settings.grace_s),
        None
        if settings.cache is None
        else CacheLimiting(
            store, settings.cache, metrics, SteadyThreads(1, "cache"), settings.grace_s
        ),
        newcomers,
    )
