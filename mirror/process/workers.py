"""Worker processes on one listening socket, and the parent process that supervises them."""

from __future__ import annotations

import ctypes
import logging
import os
import signal
import time
from typing import TYPE_CHECKING, Final, final

from mirror.process.stopping import END_LIMIT_S
from store.errors import Unavailable

if TYPE_CHECKING:
    from collections.abc import Callable

logger = logging.getLogger(__name__)

STOP_SIGNALS: Final = (signal.SIGTERM, signal.SIGINT)

HANDLED_SIGNALS: Final = frozenset({*STOP_SIGNALS, signal.SIGHUP, signal.SIGCHLD})
"""Signals that are blocked when a worker begins, because it has no handlers for them yet."""

_PR_SET_PDEATHSIG: Final = 1
_KILL_AFTER_S: Final = 1.0
"""How long after its own limit a worker that has not ended is killed."""

_KILLED_LIMIT_S: Final = 1.0
"""How long the kernel may take to end a worker that was killed."""

_EARLY_DEATH_S: Final = 5.0
_MAX_EARLY_DEATHS: Final = 5
"""After this many early deaths in a row, the parent starts no further worker and fails."""

_RETRY_S: Final = 5.0
"""How long after a failed fork the parent tries again to replace a worker."""


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
        reread: Called in the parent on SIGHUP, before ``refresh``.
        grace_s: How long the workers may take to end after a signal, in seconds, besides the time
            that each of them has to end itself.
    """

    def __init__(
        self,
        work: Callable[[int], None],
        count: int,
        refresh: Callable[[], None],
        *,
        reloads: bool,
        interval_s: float,
        grace_s: float,
        reread: Callable[[], None] = lambda: None,
    ) -> None:
        self._work = work
        self._count = count
        self._refresh = refresh
        self._reloads = reloads
        self._interval_s = interval_s
        self._reread = reread
        self._end_limit_s = grace_s + END_LIMIT_S + _KILL_AFTER_S
        self._running: dict[int, tuple[int, float]] = {}
        self._missing: dict[int, float] = {}
        """When to start each worker that has to be replaced."""

        self._early_deaths = 0

    def run(self, on_started: Callable[[], None], on_stopping: Callable[[], None]) -> None:
        """Supervise the workers until SIGTERM or SIGINT.

        Args:
            on_started: Called when all workers have been started.
            on_stopping: Called before the workers are stopped.

        Raises:
            Unavailable: A worker cannot be started at the beginning, too many workers died soon
                after their start, or a worker failed.
        """
        # Signals are blocked and waited for, so that no handler interrupts this code.
        before = signal.pthread_sigmask(signal.SIG_BLOCK, HANDLED_SIGNALS)
        try:
            for number in range(self._count):
                self._start(number)
            on_started()
            while True:
                received = signal.sigtimedwait(HANDLED_SIGNALS, self._wait_s())
                if received is None:
                    self._refresh()
                    self._start_missing()
                elif received.si_signo == signal.SIGCHLD:
                    self._replace()
                elif received.si_signo == signal.SIGHUP and self._reloads:
                    self._reread()
                    self._refresh()
                    self._signal(signal.SIGHUP)
                else:
                    break
            on_stopping()
        finally:
            self._signal(signal.SIGTERM)
            failed = self._reap()
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
            self._missing[number] = 0.0
        self._start_missing()

    def _wait_s(self) -> float:
        if not self._missing:
            return self._interval_s
        return min(self._interval_s, max(0.0, min(self._missing.values()) - time.monotonic()))

    def _start_missing(self) -> None:
        """Replace the workers that have ended; try again later if the system has no room."""
        for number, due in list(self._missing.items()):
            if due > time.monotonic():
                continue
            try:
                self._start(number)
            except Unavailable as exc:
                logger.error("%s; trying again in %.0f s", exc.message, _RETRY_S)  # noqa: TRY400
                self._missing[number] = time.monotonic() + _RETRY_S
            else:
                del self._missing[number]

    def _start(self, number: int) -> None:
        parent = os.getpid()
        try:
            pid = os.fork()
        except OSError as exc:
            raise Unavailable(
                f"cannot start worker {number}: {exc.strerror}",
                hint="free some memory, or raise the limit for processes (`ulimit -u`)",
            ) from exc
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

    def _reap(self) -> int:
        """Wait for the workers, and kill those that do not end in time, stopped ones too.

        Returns:
            The number of workers that failed.
        """
        failed = self._reap_until(time.monotonic() + self._end_limit_s)
        if self._running:
            logger.error("killing workers that did not end: %d", len(self._running))
            failed += len(self._running)
            self._signal(signal.SIGKILL)
            # The kernel cannot end a process while a device does not answer.
            self._reap_until(time.monotonic() + _KILLED_LIMIT_S)
        return failed

    def _reap_until(self, deadline: float) -> int:
        """Wait for the workers until a time; return how many of those that ended have failed."""
        failed = 0
        while True:
            for pid in list(self._running):
                done, status = os.waitpid(pid, os.WNOHANG)
                if done:
                    del self._running[pid]
                    failed += os.waitstatus_to_exitcode(status) != 0
            left_s = deadline - time.monotonic()
            if not self._running or left_s <= 0:
                return failed
            signal.sigtimedwait({signal.SIGCHLD}, left_s)

    def _signal(self, number: signal.Signals) -> None:
        for pid in self._running:
            # The child is not reaped yet, so no other process has the same process ID.
            os.kill(pid, number)


def _die_with(parent: int) -> None:
    """Have the kernel end this process when its parent dies."""
    prctl = getattr(ctypes.CDLL(None), "prctl", None)
    if prctl is not None:
        prctl(_PR_SET_PDEATHSIG, int(signal.SIGTERM), 0, 0, 0)
    if os.getppid() != parent:
        os.kill(os.getpid(), signal.SIGTERM)
