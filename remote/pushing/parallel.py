"""A fixed number of workers for a list of tasks."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable

    _T = TypeVar("_T")


async def in_parallel(
    items: Iterable[_T], act: Callable[[_T], Awaitable[None]], *, workers: int
) -> None:
    """Call ``act`` for each item, several at once. The first error ends all of them.

    Only as many tasks exist as there are workers, however many items there are.

    Args:
        items: The items, in the order in which they are begun.
        act: Called with each item.
        workers: How many items are worked on at once.

    Raises:
        Exception: The first error of ``act``. The other calls have been cancelled and have ended.
    """
    waiting = iter(items)

    async def work() -> None:
        for item in waiting:
            await act(item)

    tasks = [asyncio.ensure_future(work()) for _ in range(workers)]
    try:
        await asyncio.gather(*tasks)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
