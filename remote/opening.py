"""Open files in threads for tasks that may be cancelled at any moment."""

from __future__ import annotations

import asyncio
from concurrent.futures import Future
from typing import TYPE_CHECKING, Protocol, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable
    from concurrent.futures import Executor


class Closable(Protocol):
    """Anything with an open file."""

    def close(self) -> None:
        """Close the file."""


_C = TypeVar("_C", bound=Closable | None)


async def open_in_thread(opener: Callable[[], _C], threads: Executor | None = None) -> _C:
    """Open something in a thread.

    If the task is cancelled while the thread works, nobody receives what the thread opens. So the
    thread closes it again.

    Args:
        opener: Opens a file, or returns None if there is none.
        threads: Runs the opener; None for the threads of the event loop.

    Returns:
        What the opener returned. The caller closes it.
    """
    opened: Future[_C] = Future()

    def work() -> None:
        try:
            opened.set_result(opener())
        except BaseException as error:  # noqa: BLE001 - raised in the task
            opened.set_exception(error)

    try:
        await asyncio.get_running_loop().run_in_executor(threads, work)
    except asyncio.CancelledError:
        opened.add_done_callback(_close)
        raise
    return opened.result()


def _close(opened: Future[_C]) -> None:
    if opened.exception() is None:
        found = opened.result()
        if found is not None:
            found.close()
