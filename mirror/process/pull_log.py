"""The pulls of chosen repositories, collected in memory and recorded in batches.

A request only adds to a dictionary, so recording delays no read. The batch is bounded: when clients
pull more names than it holds, the rest of the pulls is counted and dropped.
"""

from __future__ import annotations

import asyncio
import logging
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Final, TypeAlias, final

from store.errors import StoreError
from store.model.actors import Actor
from store.registry.pulls import Pull

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence
    from datetime import datetime

    from mirror.access.pattern import Pattern
    from mirror.process.metrics import Metrics
    from store.model.digests import Digest
    from store.model.references import Repository

_Key: TypeAlias = "tuple[Repository, str | Digest, Digest, tuple[str | None, str | None]]"

logger = logging.getLogger(__name__)

INTERVAL_S: Final = 5.0
"""How long pulls wait for others before they are recorded together, in seconds."""

BATCH_PULLS: Final = 1000
"""How many different pulls are recorded without waiting longer."""

MAX_PULLS: Final = 5000
"""How many different pulls wait at most, each of some hundred bytes."""

_MAX_REMEMBERED: Final = 4096


@dataclass(slots=True)
class _Waiting:
    """Equal pulls: the time of the first, and their number."""

    since: datetime
    count: int = 1


@final
class PullLog:
    """The pulls of one process that have not been recorded yet.

    Equal pulls of one client wait as one, with their number.

    Args:
        patterns: The patterns of the repositories whose pulls are recorded.
        record: Records a batch in the store.
        metrics: The counters, in which dropped pulls are counted.
        now: Returns the current time.
    """

    def __init__(
        self,
        patterns: Sequence[Pattern],
        record: Callable[[list[Pull]], Awaitable[None]],
        metrics: Metrics,
        now: Callable[[], datetime],
    ) -> None:
        self._record = record
        self._metrics = metrics
        self._now = now
        self._waiting: dict[_Key, _Waiting] = {}
        self._dropped = 0
        self._some, self._many = asyncio.Event(), asyncio.Event()
        self._is_ending = False

        @lru_cache(_MAX_REMEMBERED)
        def is_recorded(repository: Repository) -> bool:
            name = str(repository)
            return any(pattern.matches(name) for pattern in patterns)

        self._is_recorded = is_recorded

    def note(
        self,
        repository: Repository,
        target: str | Digest,
        digest: Digest,
        caller: tuple[str | None, str | None],
    ) -> None:
        """Add a pull to the batch, unless no pattern matches its repository.

        Args:
            repository: The repository that serves the manifest.
            target: The tag or digest that the client used.
            digest: The digest of the manifest.
            caller: The name of the user and the address of the client, as far as they are known.
        """
        key = (repository, target, digest, caller)
        waiting = self._waiting.get(key)
        if waiting is not None:
            waiting.count += 1
        elif not self._is_recorded(repository):
            return
        elif len(self._waiting) < MAX_PULLS:
            self._waiting[key] = _Waiting(self._now())
            self._some.set()
            if len(self._waiting) >= BATCH_PULLS:
                self._many.set()
        else:
            self._drop(1)

    async def run(self) -> None:
        """Record batches until `end` is called; then record the rest, and return."""
        while not self._is_ending:
            await self._some.wait()
            with suppress(TimeoutError):
                await asyncio.wait_for(self._many.wait(), INTERVAL_S)
            await self._flush()
        while self._waiting:
            await self._flush()

    def end(self) -> None:
        """Let `run` record what waits, and return."""
        self._is_ending = True
        self._some.set()
        self._many.set()

    async def _flush(self) -> None:
        pulls = [
            Pull(repository, target, digest, Actor(*caller), one.since, one.count)
            for (repository, target, digest, caller), one in self._waiting.items()
        ]
        self._waiting.clear()
        self._some.clear()
        self._many.clear()
        if pulls:
            try:
                await self._record(pulls)
            except StoreError as exc:
                logger.warning("cannot record pulls: %s", exc.message)
                self._drop(sum(one.count for one in pulls))
        if self._dropped:
            logger.warning("pulls without an event: %d", self._dropped)
            self._dropped = 0

    def _drop(self, count: int) -> None:
        self._dropped += count
        self._metrics.count_event("dropped_pulls", count)
