"""Images that other processes have stored: the leader has their layers verified.

A pull or an import into the store of a running server leaves layers that nobody has decoded. The
leader looks at intervals whether the catalogue has grown. Only then are its images listed.
"""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import TYPE_CHECKING, Final, NoReturn, final

from mirror.jobs.periodic import repeat
from store.catalog.lists import recorded_rows

if TYPE_CHECKING:
    from collections.abc import Callable
    from concurrent.futures import Executor

    from store import Store
    from store.db.changes import Position
    from store.workspace.locks import Lock

INTERVAL: Final = timedelta(minutes=1)
"""How often the leader looks."""


@final
class Newcomers:
    """Tells when the catalogue has grown.

    Args:
        store: The store, which is not read-only.
        executor: The thread that looks.
        tell: Called in the event loop when there may be new images.
    """

    def __init__(self, store: Store, executor: Executor, tell: Callable[[], None]) -> None:
        self._store = store
        self._executor = executor
        self._tell = tell
        self._seen: Position | None = None
        self._lock: Lock | None = None

    async def run(self) -> NoReturn:
        """Look at intervals, until cancelled."""
        loop = asyncio.get_running_loop()
        pause_s = INTERVAL.total_seconds()
        try:
            await repeat(
                self._executor,
                lambda: self._look(loop),
                lambda: None,
                "look for unverified images",
                first_s=pause_s,
                pause_s=pause_s,
            )
        finally:
            if self._lock is not None:
                self._lock.release()
                self._lock = None

    def _look(self, loop: asyncio.AbstractEventLoop) -> None:
        if self._lock is None:
            # Another server of the store does it as long as it runs.
            self._lock = self._store.locks.lock_task("verify")
            if self._lock is None:
                return
        with self._store.read() as connection:
            found = recorded_rows.position(connection)
        if found != self._seen:
            self._seen = found
            loop.call_soon_threadsafe(self._tell)
