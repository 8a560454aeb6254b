"""Several processes that do the same, and one that watches over them and does nothing else: it may fork at any time, having no threads and no loop."""

from __future__ import annotations

import logging
import os
import signal
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Final

from store.errors import Unavailable

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

logger = logging.getLogger(__name__)

ENDINGS: Final = frozenset({signal.SIGTERM, signal.SIGINT, signal.SIGHUP})
"""What tells a server to stop."""

_AT_ONCE_S: Final = 1.0
"""Who ends so soon after the start would end again."""


def supervise(workers: Sequence[Callable[[int], None]]) -> None:
    """Run each of ``workers`` in a process of its own, until a signal of `ENDINGS` comes; one that dies is started again.

    Each is given a descriptor that is at its end as soon as this process is no more, however it ended. `ENDINGS` must be blocked, and are blocked in
    the workers too until they allow them.

    Raises:
        Unavailable: A worker died right after its start, or did not end well.
    """
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGCHLD})
    ours, theirs = os.pipe()
    running: dict[int, tuple[int, float]] = {}
    try:
        for number in range(len(workers)):
            running[_fork(workers[number], ours, theirs)] = number, time.monotonic()
        while signal.sigwait(ENDINGS | {signal.SIGCHLD}) == signal.SIGCHLD:
            for process, code in _ended(running):
                number, since = running.pop(process)
                logger.error("worker process %d ended with %d", process, code)
                if time.monotonic() - since < _AT_ONCE_S:
                    raise Unavailable(f"worker process {number + 1} of {len(workers)} ended with {code} right after its start", hint="the log says why")
                running[_fork(workers[number], ours, theirs)] = number, time.monotonic()
    finally:
        os.close(theirs)
        codes = _end(running)
        os.close(ours)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGCHLD})
    if any(codes):
        raise Unavailable(f"{sum(map(bool, codes))} of {len(codes)} worker processes failed", hint="the log says why")


def _ended(running: dict[int, tuple[int, float]]) -> list[tuple[int, int]]:
    """Which of them are no more, with their exit codes. One signal may stand for several."""
    found = [os.waitpid(process, os.WNOHANG) for process in running]
    return [(process, os.waitstatus_to_exitcode(status)) for process, status in found if process]


def _end(running: dict[int, tuple[int, float]]) -> list[int]:
    for process in running:
        with suppress(ProcessLookupError):
            os.kill(process, signal.SIGTERM)
    return [os.waitstatus_to_exitcode(os.waitpid(process, 0)[1]) for process in running]


def _fork(work: Callable[[int], None], ours: int, theirs: int) -> int:
    child = os.fork()
    if child:
        return child
    code = 1
    try:
        os.close(theirs)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGCHLD})
        work(ours)
        code = 0
    except BaseException:
        logger.exception("a worker process failed")
    finally:
        # Not `sys.exit`: what the parent has on its stack is none of the child's business.
        os._exit(code)
