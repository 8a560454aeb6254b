"""Run functions in threads; a cancelled task waits until its function has ended."""

from __future__ import annotations

import asyncio
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable
    from concurrent.futures import Executor

T = TypeVar("T")


async def run(pool: Executor, call: Callable[..., T], *args: Any, **kwargs: Any) -> T:  # noqa: ANN401 - the arguments of the call
    """Call a function in a thread of ``pool``, and return the function's result.

    A thread cannot be interrupted, so a cancelled task waits for the thread before it ends.
    """
    return await finished(
        asyncio.get_running_loop().run_in_executor(pool, partial(call, *args, **kwargs))
    )


async def finished(future: asyncio.Future[T]) -> T:
    """Return the result of a future; a cancelled task waits for the future before it ends."""
    try:
        return await asyncio.shield(future)
    except asyncio.CancelledError:
        while not future.done():
            try:
                await asyncio.wait((future,))
            except asyncio.CancelledError:
                continue
        raise
