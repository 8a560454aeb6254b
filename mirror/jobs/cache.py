"""The limits of what a server has pulled through: when tags are beyond them, a collection runs.

The leader looks at intervals, and when the limits change. If there is something to remove, it runs
`storectl gc` with the limits, in a process of its own.
"""

from __future__ import annotations

import asyncio
import json
import logging
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING, Final, final

from mirror.jobs.periodic import attempt
from mirror.jobs.program import Program
from mirror.process.logs import FIELDS
from store.errors import printable
from store.maintenance.cache import survey
from store.model.cache_limits import CacheLimits

if TYPE_CHECKING:
    from concurrent.futures import Executor
    from typing import NoReturn

    from mirror.process.metrics import Metrics
    from store import Store
    from store.model.references import Reference
    from store.workspace.locks import Lock

logger = logging.getLogger(__name__)

INTERVAL: Final = timedelta(minutes=10)
"""How often the leader looks; a shorter age is looked for more often."""

_LEAST: Final = timedelta(seconds=1)
_LOOKS_PER_AGE: Final = 10


@final
@dataclass(frozen=True, slots=True)
class CacheRule:
    """Limits, and what collects with them.

    Attributes:
        limits: The limits; there may be none.
        command: The program that collects with these limits, and its arguments.
    """

    limits: CacheLimits = field(default_factory=CacheLimits)
    command: tuple[str, ...] = ()

    @property
    def interval_s(self) -> float:
        """How long after one look comes the next one, in seconds."""
        age = self.limits.max_age
        pause = INTERVAL if age is None else age / _LOOKS_PER_AGE
        return max(_LEAST, min(pause, INTERVAL)).total_seconds()


@final
class CacheRules:
    """The limits of a server; they can change while it runs.

    Args:
        rule: The limits at the start.
    """

    def __init__(self, rule: CacheRule = CacheRule()) -> None:
        self._rule = rule
        self._running: tuple[asyncio.AbstractEventLoop, asyncio.Event] | None = None

    @property
    def rule(self) -> CacheRule:
        """The limits that are in effect."""
        return self._rule

    def change(self, rule: CacheRule) -> None:
        """Use other limits from now on; what runs goes on. Any thread may call this."""
        if rule == self._rule:
            return
        self._rule = rule
        if self._running is not None:
            loop, changed = self._running
            # The server may be stopping.
            with suppress(RuntimeError):
                loop.call_soon_threadsafe(changed.set)

    def watch(self) -> asyncio.Event:
        """Return an event of the running loop that is set at each change."""
        changed = asyncio.Event()
        self._running = asyncio.get_running_loop(), changed
        return changed


@final
class CacheLimiting:
    """Keeps what was pulled through within limits.

    Args:
        store: The store, which is not read-only.
        rules: The limits.
        metrics: The counters of this process.
        executor: The thread that looks, and waits for the program; one is enough.
        grace_s: How long the program may take to end when the server stops, in seconds.
    """

    def __init__(
        self, store: Store, rules: CacheRules, metrics: Metrics, executor: Executor, grace_s: float
    ) -> None:
        self._store = store
        self._rules = rules
        self._metrics = metrics
        self._executor = executor
        self._grace_s = grace_s
        self._program = Program((), grace_s)
        self._is_stopped = False
        self._stays: tuple[CacheRule, tuple[Reference, ...]] | None = None

    async def run(self) -> NoReturn:
        """Look at intervals, until cancelled."""
        loop = asyncio.get_running_loop()
        changed = self._rules.watch()
        pause_s = min(self._rules.rule.interval_s, INTERVAL.total_seconds() / _LOOKS_PER_AGE)
        while True:
            with suppress(TimeoutError):
                async with asyncio.timeout(pause_s):
                    await changed.wait()
            changed.clear()
            rule = self._rules.rule
            if rule.limits.is_set:
                await attempt(
                    self._executor,
                    partial(self._look, rule, loop),
                    self.stop,
                    "limit what was pulled through",
                )
            pause_s = rule.interval_s

    def stop(self) -> None:
        """Let the program end now: the server stops. Any thread may call this."""
        self._is_stopped = True
        self._program.stop()

    def close(self) -> None:
        """End the thread; call this when the task has ended."""
        self._executor.shutdown(cancel_futures=True)

    def _look(self, rule: CacheRule, loop: asyncio.AbstractEventLoop) -> None:
        """Compare, and collect if necessary, in a thread; the event loop counts."""
        lock = self._store.locks.lock_task("cache")
        if lock is None:
            # Another server of the store does it.
            return
        try:
            with self._store.read() as connection:
                found = survey(connection, rule.limits)
            loop.call_soon_threadsafe(self._metrics.note_cache, found.kept, found.kept_bytes)
            if found.expired and (rule, tuple(found.expired)) != self._stays:
                self._collect(rule, found.expired, loop, lock)
        finally:
            lock.release()

    def _collect(
        self,
        rule: CacheRule,
        expired: list[Reference],
        loop: asyncio.AbstractEventLoop,
        lock: Lock,
    ) -> None:
        self._program = Program(rule.command, self._grace_s)
        if self._is_stopped:
            return
        ended = self._program.run(lock)
        if ended.was_stopped:
            return
        try:
            report = json.loads(ended.output)
            removed, freed = int(report.get("CacheTags", 0)), int(report["SpaceReclaimed"])
        except (ValueError, TypeError, KeyError, AttributeError):
            logger.warning("cannot limit what was pulled through: %s", printable(ended.message))
            return
        # An image that another one was built on stays, and is not tried again and again.
        self._stays = None if removed else (rule, tuple(expired))
        loop.call_soon_threadsafe(self._metrics.count_uncached, removed, freed)
        fields = {"tags": removed, "beyond": len(expired), "bytes": freed}
        logger.info("removed what was pulled through", extra={FIELDS: fields})
