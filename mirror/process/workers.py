"""Worker processes on one listening socket, and the parent process that supervises them."""

from __future__ import annotations

import ctypes
import logging
import os
import signal
import time
from typing import TYPE_CHECKING, Final, final

from store.errors import Unavailable

if TYPE_CHECKING:
    from collections.abc import Callable

logger = logging.getLogger(__name__)

STOP_SIGNALS: Final = (signal.SIGTERM, signal.SIGINT)

HANDLED_SIGNALS: Final = frozenset({*STOP_SIGNALS, signal.SIGHUP, signal.SIGCHLD})
"""Signals that are blocked when a worker begins, because it has no handlers for them yet."""

_PR_SET_PDEATHSIG: Final = 1
_EARLY_DEATH_S: Final = 5.0
_MAX_EARLY_DEATHS: Final = 5
"""After this many early deaths in a row, the parent starts no further worker and fails."""


@final
class Workers:
    """The supervisor of worker processes: it replaces a worker that dies, and stops all workers.

    Args:
        work: Called in each worker with the worker's number; runs until the worker gets SIGTERM.
            `HANDLED_SIGNALS` are blocked at the time of the call, and ``work`` has to unblock them.
        count: The number of workers.
        refresh: Called in the parent at intervals and on SIGHUP; workers that start later inherit
            the state that ``refresh`` has changed.
        reloads: Whether SIGHUP is passed on to the workers; otherwise SIGHUP stops them.
        interval_s: The interval between two calls of ``refresh``, in seconds.
    """

    def __init__(
        self,
        work: Callable[[int], None],
        count: int,
        refresh: Callable[[], None],
        *,
        reloads: bool,
        interval_s: float,
    ) -> None:
        self._work = work
        self._count = count
        self._refresh = refresh
        self._reloads = reloads
        self._interval_s = interval_s
        self._running: dict[int, tuple[int, float]] = {}
        self._early_deaths = 0

    def run(self, on_started: Callable[[], None], on_stopping: Callable[[], None]) -> None:
        """Supervise the workers until SIGTERM or SIGINT.

        Args:
            on_started: Called when all workers have been started.
            on_stopping: Called before the workers are stopped.

        Raises:
            Unavailable: Too many workers died soon after their start, or a worker failed.
        """
        # Signals are blocked and waited for, so that no handler interrupts this code.
        before = signal.pthread_sigmask(signal.SIG_BLOCK, HANDLED_SIGNALS)
        try:
            for number in range(self._count):
                self._start(number)
            on_started()
            while True:
                received = signal.sigtimedwait(HANDLED_SIGNALS, self._interval_s)
                if received is None:
                    self._refresh()
                elif received.si_signo == signal.SIGCHLD:
                    self._replace()
                elif received.si_signo == signal.SIGHUP and self._reloads:
                    self._refresh()
                    self._signal(signal.SIGHUP)
                else:
                    break
            on_stopping()
        finally:
            self._signal(signal.SIGTERM)
            failed = sum(_reap(pid) for pid in self._running)
            # The workers have ended. Ignore pending signals and signals that arrive from now on.
            for number in (*STOP_SIGNALS, signal.SIGHUP):
                signal.signal(number, signal.SIG_IGN)
            while signal.sigpending() & HANDLED_SIGNALS:
                signal.sigwait(HANDLED_SIGNALS)
            signal.pthread_sigmask(signal.SIG_SETMASK, before)
        if failed:
            raise Unavailable(
                f"{failed} of {self._count} worker processes failed", hint="see the log"
            )

    def _replace(self) -> None:
        for pid, (number, started_at) in list(self._running.items()):
            done, status = os.waitpid(pid, os.WNOHANG)
            if not done:
                continue
            del self._running[pid]
            logger.error(
                "worker %d (process %d) ended with exit code %d",
                number,
                pid,
                os.waitstatus_to_exitcode(status),
            )
            self._early_deaths = (
                self._early_deaths + 1 if time.monotonic() - started_at < _EARLY_DEATH_S else 0
            )
            if self._early_deaths >= _MAX_EARLY_DEATHS:
                raise Unavailable(
                    f"{self._early_deaths} worker processes died one after another",
                    hint="see the log",
                )
            if self._early_deaths:
                time.sleep(0.2 * self._early_deaths)
            self._start(number)

    def _start(self, number: int) -> None:
        parent = os.getpid()
        pid = os.fork()
        if pid:
            self._running[pid] = (number, time.monotonic())
            return
        code = 1
        try:
            _die_with(parent)
            self._work(number)
            code = 0
        except BaseException:
            logger.exception("worker %d failed", number)
        finally:
            # Not `sys.exit`, which would run the parent's `finally` blocks in the child.
            os._exit(code)

    def _signal(self, number: signal.Signals) -> None:
        for pid in self._running:
            # The child is not reaped yet, so no other process has the same process ID.
            os.kill(pid, number)


def _reap(pid: int) -> bool:
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) != 0


def _die_with(parent: int) -> None:
    """Have the kernel end this process when its parent dies."""
    prctl = getattr(ctypes.CDLL(None), "prctl", None)
    if prctl is not None:
        prctl(_PR_SET_PDEATHSIG, int(signal.SIGTERM), 0, 0, 0)
    if os.getppid() != parent:
        os.kill(os.getpid(), signal.SIGTERM)
