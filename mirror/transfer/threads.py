"""Waiting for threads without holding up the loop."""

from __future__ import annotations

import asyncio
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable
    from concurrent.futures import Executor

T = TypeVar("T")


async def run(pool: Executor, call: Callable[..., T], *args: Any, **kwargs: Any) -> T:  # noqa: ANN401 - the call's own
    """What ``call`` returns, from a thread of ``pool``.

    A thread cannot be interrupted: whoever is cancelled meanwhile waits for it first.
    """
    return await finished(
        asyncio.get_running_loop().run_in_executor(pool, partial(call, *args, **kwargs))
    )


async def finished(future: asyncio.Future[T]) -> T:
    """What ``future`` comes to. Whoever is cancelled meanwhile waits for it first."""
    try:
        return await asyncio.shield(future)
    except asyncio.CancelledError:
        while not future.done():
            try:
                await asyncio.wait((future,))
            except asyncio.CancelledError:
                continue
        raise
