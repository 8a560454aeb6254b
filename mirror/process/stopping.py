"""The end of a server process: signals to stop, and a hard end when the grace is over.

The signals are received by a thread of their own. So the server also ends if its event loop waits
for a disk that hangs, or if a thread waits for ever.
"""

from __future__ import annotations

import logging
import os
import signal
import threading
from typing import TYPE_CHECKING, Final, Self, final

if TYPE_CHECKING:
    from collections.abc import Callable

logger = logging.getLogger(__name__)

END_LIMIT_S: Final = 2.0
"""How long a process may take to end after the grace."""

_LOG_LIMIT_S: Final = 0.5
"""How long the last message may take: the reader of the log may have stopped."""

_MAX_NAMES: Final = 10


@final
class Stopping:
    """Waits for a signal to stop, and ends the process hard if it does not end in time.

    Use it as a context manager, in the main thread: the signals are blocked in all threads that
    are started inside the block. They are ignored afterwards.

    Args:
        signals: The signals that stop the server.
        grace_s: How long running transfers may go on after the signal, in seconds.
        exit_code: The exit code of a hard end.
        end: Ends the process at once with an exit code.
    """

    def __init__(
        self,
        signals: frozenset[signal.Signals],
        grace_s: float,
        exit_code: int,
        end: Callable[[int], object] = os._exit,
    ) -> None:
        self._signals = signals
        self._grace_s = grace_s
        self._exit_code = exit_code
        self._end = end
        self._guard = threading.Lock()
        self._on_stop: Callable[[], object] | None = None
        self._is_stopped = False
        self._has_ended = threading.Event()
        self._thread = threading.Thread(target=self._work, name="signals", daemon=True)

    def __enter__(self) -> Self:
        self._before = signal.pthread_sigmask(signal.SIG_BLOCK, self._signals)
        self._thread.start()
        return self

    def __exit__(self, *_exc: object) -> None:
        self._has_ended.set()
        for number in self._signals:
            # The server has ended: a second signal must not make the end fail.
            signal.signal(number, signal.SIG_IGN)
        if not self._is_stopped and self._thread.ident is not None:
            signal.pthread_kill(self._thread.ident, signal.SIGURG)
        self._thread.join()
        signal.pthread_sigmask(signal.SIG_SETMASK, self._before)

    def on_stop(self, callback: Callable[[], object]) -> None:
        """Call a function from another thread when a signal arrives, or has arrived already."""
        with self._guard:
            self._on_stop = callback
            if self._is_stopped:
                callback()

    def _work(self) -> None:
        # SIGURG is ignored by default, and wakes this thread if the server ends without a signal.
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGURG})
        signal.sigwait({*self._signals, signal.SIGURG})
        if self._has_ended.is_set():
            return
        with self._guard:
            self._is_stopped = True
            if self._on_stop is not None:
                self._on_stop()
        if not self._has_ended.wait(self._grace_s + END_LIMIT_S):
            self._end_hard()

    def _end_hard(self) -> None:
        names = sorted(one.name for one in threading.enumerate() if one is not self._thread)
        more = f" and {len(names) - _MAX_NAMES} more" if len(names) > _MAX_NAMES else ""

        def report() -> None:
            logger.error(
                "stopping: the grace is over; ended with threads at work: %s%s",
                ", ".join(names[:_MAX_NAMES]),
                more,
            )

        # A thread that never ends may hold the lock of the log.
        last = threading.Thread(target=report, daemon=True)
        try:
            last.start()
            last.join(_LOG_LIMIT_S)
        finally:
            self._end(self._exit_code)
