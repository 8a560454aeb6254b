"""Work of the leader that repeats: it runs in a thread, and ends soon when the server stops.

One worker of a server is the leader. A lock of the store lets one of several servers do the work.
"""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, NoReturn

from mirror.transfer.threads import run
from store.errors import StoreError, printable

if TYPE_CHECKING:
    from collections.abc import Callable
    from concurrent.futures import Executor

logger = logging.getLogger(__name__)


async def attempt(
    executor: Executor, work: Callable[[], None], stop: Callable[[], None], subject: str
) -> None:
    """Do some work once in a thread; a failure is logged.

    If the task is cancelled, it waits until the work has ended.

    Args:
        executor: The threads.
        work: Does the work.
        stop: Makes the work end soon; any thread may call it.
        subject: The words for the work in the log, after "cannot".
    """
    waiting = asyncio.ensure_future(run(executor, work))
    try:
        await asyncio.shield(waiting)
    except asyncio.CancelledError:
        stop()
        await asyncio.wait((waiting,))
        raise
    except StoreError as exc:
        # A server of another machine may be at it.
        logger.info("cannot %s now: %s", subject, printable(exc.message))
    except Exception:
        logger.exception("cannot %s", subject)


async def repeat(
    executor: Executor,
    work: Callable[[], None],
    stop: Callable[[], None],
    subject: str,
    *,
    first_s: float,
    pause_s: float,
) -> NoReturn:
    """Do some work again and again in a thread, until cancelled.

    Args:
        executor: The threads.
        work: Does the work.
        stop: Makes the work end soon; any thread may call it.
        subject: The words for the work in the log, after "cannot".
        first_s: How long to wait before the work is done first, in seconds.
        pause_s: How long to wait after it, in seconds.
    """
    await asyncio.sleep(first_s)
    while True:
        await attempt(executor, work, stop, subject)
        await asyncio.sleep(pause_s)
