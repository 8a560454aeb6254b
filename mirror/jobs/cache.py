"""The limits of what a server has pulled through: when tags are beyond them, a collection runs.

The leader looks at intervals. If there is something to remove, it runs `storectl gc` with the
limits, in a process of its own.
"""

from __future__ import annotations

import asyncio
import json
import logging
from datetime import timedelta
from typing import TYPE_CHECKING, Final, final

from mirror.jobs.periodic import repeat
from mirror.jobs.program import Program
from mirror.process.logs import FIELDS
from store.errors import printable
from store.maintenance.cache import survey

if TYPE_CHECKING:
    from collections.abc import Sequence
    from concurrent.futures import Executor

    from mirror.process.metrics import Metrics
    from store import Store
    from store.model.limits import CacheLimits
    from store.model.references import Reference

logger = logging.getLogger(__name__)

INTERVAL: Final = timedelta(minutes=10)
"""How often the leader looks; a shorter age is looked for more often."""

_LEAST: Final = timedelta(seconds=1)
_LOOKS_PER_AGE: Final = 10


@final
class CacheLimiting:
    """Keeps what was pulled through within limits.

    Args:
        store: The store, which is not read-only.
        limits: The limits; there is at least one.
        command: The program that collects with these limits, and its arguments.
        metrics: The counters of this process.
        executor: The thread that looks, and waits for the program; one is enough.
        grace_s: How long the program may take to end when the server stops, in seconds.
    """

    def __init__(
        self,
        store: Store,
        limits: CacheLimits,
        command: Sequence[str],
        metrics: Metrics,
        executor: Executor,
        *,
        grace_s: float,
    ) -> None:
        self._store = store
        self._limits = limits
        self._command = tuple(command)
        self._metrics = metrics
        self._executor = executor
        self._grace_s = grace_s
        self._program = Program(command, grace_s)
        self._is_stopped = False
        self._stays: tuple[Reference, ...] = ()
        age = INTERVAL if limits.max_age is None else limits.max_age / _LOOKS_PER_AGE
        self._interval_s = max(_LEAST, min(age, INTERVAL)).total_seconds()

    async def run(self) -> None:
        """Look at intervals, until cancelled."""
        loop = asyncio.get_running_loop()
        await repeat(
            self._executor,
            lambda: self._look(loop),
            self.stop,
            "limit what was pulled through",
            first_s=min(self._interval_s, INTERVAL.total_seconds() / _LOOKS_PER_AGE),
            pause_s=self._interval_s,
        )

    def stop(self) -> None:
        """Let the program end now: the server stops. Any thread may call this."""
        self._is_stopped = True
        self._program.stop()

    def close(self) -> None:
        """End the thread; call this when the task has ended."""
        self._executor.shutdown(cancel_futures=True)

    def _look(self, loop: asyncio.AbstractEventLoop) -> None:
        """Compare, and collect if necessary, in a thread; the event loop counts."""
        lock = self._store.locks.lock_task("cache")
        if lock is None:
            # Another server of the store does it.
            return
        try:
            with self._store.read() as connection:
                found = survey(connection, self._limits)
            loop.call_soon_threadsafe(self._metrics.note_cache, found.kept, found.kept_bytes)
            if found.expired and tuple(found.expired) != self._stays:
                self._collect(found.expired, loop)
        finally:
            lock.release()

    def _collect(self, expired: list[Reference], loop: asyncio.AbstractEventLoop) -> None:
        self._program = Program(self._command, self._grace_s)
        if self._is_stopped:
            return
        ended = self._program.run()
        if ended.was_stopped:
            return
        try:
            report = json.loads(ended.output)
            removed, freed = int(report.get("CacheTags", 0)), int(report["SpaceReclaimed"])
        except (ValueError, TypeError, KeyError, AttributeError):
            logger.warning("cannot limit what was pulled through: %s", printable(ended.message))
            return
        # An image that another one was built on stays, and is not tried again and again.
        self._stays = () if removed else tuple(expired)
        loop.call_soon_threadsafe(self._metrics.count_uncached, removed, freed)
        fields = {"tags": removed, "beyond": len(expired), "bytes": freed}
        logger.info("removed what was pulled through", extra={FIELDS: fields})
