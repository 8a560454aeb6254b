"""Work that several clients wait for, and that goes on if they leave."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Generic, TypeVar, final

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Hashable

Result = TypeVar("Result")


@final
class SharedWork(Generic[Result]):
    """Runs equal work once for several clients. All methods belong to one event loop."""

    def __init__(self) -> None:
        self._running: dict[Hashable, asyncio.Task[Result]] = {}

    @property
    def tasks(self) -> list[asyncio.Task[Result]]:
        """The work that runs."""
        return list(self._running.values())

    def start(
        self, key: Hashable, work: Callable[[], Coroutine[None, None, Result]]
    ) -> asyncio.Task[Result]:
        """Return the running work of a key; begin it if it does not run.

        Wait for the task with `asyncio.wait`, which does not cancel it.

        Args:
            key: Names the work.
            work: Does the work.
        """
        task = self._running.get(key)
        if task is None:
            task = asyncio.create_task(work())
            self._running[key] = task
            task.add_done_callback(lambda done: self._ended(key, done))
        return task

    async def result(
        self, key: Hashable, work: Callable[[], Coroutine[None, None, Result]]
    ) -> Result:
        """Return the result of the work of a key; begin it if it does not run."""
        task = self.start(key, work)
        await asyncio.wait({task})
        return task.result()

    async def close(self) -> None:
        """End all work."""
        tasks = self.tasks
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _ended(self, key: Hashable, task: asyncio.Task[Result]) -> None:
        del self._running[key]
        if not task.cancelled():
            # Nobody may be waiting for it any more; then its error is not a bug.
            task.exception()
