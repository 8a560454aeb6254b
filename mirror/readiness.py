"""Whether the server can work: a check of the store, made at most once in a second.

Anybody may ask as often as they like. So all callers share one check, which runs in a thread of its
own: it costs no thread that requests need, and an answer does not wait for a disk that hangs.
"""

from __future__ import annotations

import asyncio
import logging
import os
import threading
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, final

from store.errors import SchemaMismatch, StoreError
from store.maintenance.scrub import damaged_contents
from store.model.limits import MIB

if TYPE_CHECKING:
    from collections.abc import Callable

    from store import Store
    from store.registry.registry import Registry

logger = logging.getLogger(__name__)

INTERVAL_S: Final = 1.0
"""How long a check counts."""

ANSWER_LIMIT_S: Final = 2.0
"""How long an answer waits for a check."""

MIN_FREE_BYTES: Final = 64 * MIB
MIN_FREE_FILES: Final = 100
"""The registry is not ready if the file system has fewer free bytes or free inodes than this."""


@final
@dataclass(frozen=True, slots=True)
class State:
    """The result of a check.

    Attributes:
        problem: Why the server cannot work, without names of files or processes; None if it can.
        damaged: How many stored contents are marked as damaged.
        failing_syncs: How many scheduled syncs have failed several times in a row.
    """

    problem: str | None = None
    damaged: int = 0
    failing_syncs: int = 0


@final
class Readiness:
    """The state of a store, as of the last second.

    Args:
        check: Looks at the store; it may block.
        clock: Returns the time of a clock that is never set, in seconds; None for the clock of the
            event loop.
    """

    def __init__(
        self, check: Callable[[], State], clock: Callable[[], float] | None = None
    ) -> None:
        self._check = check
        self._clock = clock
        self._running: asyncio.Future[State] | None = None
        self._started_at = 0.0
        self._known: tuple[float, State] | None = None

    async def state(self) -> State:
        """Return the state of the store, after a check if the last one is too old."""
        now = self._clock or asyncio.get_running_loop().time
        if self._known is not None and now() - self._known[0] < INTERVAL_S:
            return self._known[1]
        if self._running is None:
            try:
                self._running, self._started_at = self._start(), now()
            except RuntimeError:
                return State("the system starts no more threads")
        running = self._running
        left_s = self._started_at + ANSWER_LIMIT_S - now()
        done, _ = await asyncio.wait((running,), timeout=max(0.0, left_s))
        if not done:
            return State("the store does not answer")
        if self._running is running:
            self._running = None
            self._known = (now(), running.result())
        return running.result()

    def _start(self) -> asyncio.Future[State]:
        loop = asyncio.get_running_loop()
        result: asyncio.Future[State] = loop.create_future()

        def deliver(state: State) -> None:
            if not result.done():
                result.set_result(state)

        def work() -> None:
            try:
                state = self._check()
            except Exception:
                logger.exception("cannot check the store")
                state = State("the store cannot be read")
            # The loop may have ended meanwhile.
            with suppress(RuntimeError):
                loop.call_soon_threadsafe(deliver, state)

        # A daemon: a check that never ends must not keep the process from ending.
        threading.Thread(target=work, name="readiness", daemon=True).start()
        return result


def check(store: Store, registry: Registry, *, writes: bool) -> State:
    """Look at a store, without changing it, and without waiting for a lock.

    Args:
        store: The store.
        registry: The registry's view of the store.
        writes: Whether the server has to write.
    """
    problem: str | None = None
    damaged = 0
    try:
        store.database.check()
        registry.repositories(after="", limit=1)
        damaged = damaged_contents(store)
        space = os.statvfs(store.root)
        if writes:
            problem = _obstacle(space, store)
    except SchemaMismatch:
        problem = "the store has the schema of another version"
    except (StoreError, OSError):
        problem = "the store cannot be read"
    return State(problem, damaged)


def _obstacle(space: os.statvfs_result, store: Store) -> str | None:
    """Return why the store cannot be written; None if it can."""
    if store.database.stuck_for() >= store.waiting.limit_s:
        return "another process keeps the store locked"
    # A file system that does not limit the number of files reports 0 files.
    if space.f_bavail * space.f_frsize < MIN_FREE_BYTES or (
        space.f_files and space.f_favail < MIN_FREE_FILES
    ):
        return "the disk is full"
    return None if os.access(store.root, os.W_OK) else "the store cannot be written"
