"""The scrub of the store in the background: stored bytes are read again at a gentle rate.

One worker of a server is the leader, and a lock lets one of several servers work on a store at a
time. The leader looks at intervals for content that was not checked for too long.
"""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from datetime import timedelta
from typing import TYPE_CHECKING, Final, final

from mirror.jobs.periodic import repeat
from store.errors import printable
from store.maintenance.pace import Pace
from store.maintenance.reports import Severity
from store.maintenance.scrub import Scrub, checked_content
from store.model.progress import Silent

if TYPE_CHECKING:
    from concurrent.futures import Executor

    from mirror.process.metrics import Metrics
    from store import Store

logger = logging.getLogger(__name__)

DEFAULT_EVERY: Final = timedelta(days=30)
"""How long after its last check stored content is read again."""

DEFAULT_RATE: Final = 10_000_000
"""How many bytes are read in a second: 26 TB in 30 days, for a few percent of one processor."""

FIRST_LOOK_S: Final = 600.0
"""How long a new server waits before it looks, so that a restart disturbs nobody."""

LOOK_INTERVAL_S: Final = 3600.0
_MIN_INTERVAL_S: Final = 1.0
_LOOKS_PER_PERIOD: Final = 10


@final
class Scrubbing:
    """Reads content of a store that was not checked for longer than a time.

    Args:
        store: The store, which is not read-only.
        every: The time.
        rate: The most bytes to read in a second.
        metrics: The counters of this process.
        executor: The thread that reads; one is enough.
        first_look_s: How long to wait before the first look, in seconds.
    """

    def __init__(
        self,
        store: Store,
        every: timedelta,
        rate: int,
        metrics: Metrics,
        executor: Executor,
        *,
        first_look_s: float = FIRST_LOOK_S,
    ) -> None:
        self._store = store
        self._every = every
        self._rate = rate
        self._metrics = metrics
        self._executor = executor
        self._stopped = threading.Event()
        period_s = every.total_seconds()
        self._interval_s = min(LOOK_INTERVAL_S, max(_MIN_INTERVAL_S, period_s / _LOOKS_PER_PERIOD))
        self._first_look_s = min(first_look_s, self._interval_s)

    async def run(self) -> None:
        """Look for content to check at intervals, until cancelled."""
        loop = asyncio.get_running_loop()
        await repeat(
            self._executor,
            lambda: self._scrub(loop),
            self._stopped.set,
            "scrub",
            first_s=self._first_look_s,
            pause_s=self._interval_s,
        )

    def _scrub(self, loop: asyncio.AbstractEventLoop) -> None:
        """Read what is due, in a thread; the event loop counts."""

        def count(contents: int, size_bytes: int, errors: int) -> None:
            loop.call_soon_threadsafe(self._metrics.count_scrubbed, contents, size_bytes, errors)

        scrub = Scrub(
            self._store,
            Pace(
                self._rate,
                clock=time.monotonic,
                sleep=self._stopped.wait,
                is_stopped=self._stopped.is_set,
            ),
            Silent(),
            max_age=self._every,
            on_record=count,
        )
        for finding in scrub.run():
            level = logging.ERROR if finding.severity is Severity.ERROR else logging.WARNING
            images = ", ".join(finding.images)
            logger.log(
                level, "scrub: %s%s", printable(finding.message), images and f" affects={images}"
            )
        oldest = checked_content(self._store).oldest
        loop.call_soon_threadsafe(
            self._metrics.note_oldest_check, 0.0 if oldest is None else oldest.timestamp()
        )
        report = scrub.report
        if report.seen:
            logger.info(
                "scrubbed contents=%d bytes=%d errors=%d",
                *(report.contents, report.size_bytes, report.errors),
            )
