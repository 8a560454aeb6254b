"""Several processes that serve one socket, and the one that looks after them."""

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

ENDINGS: Final = (signal.SIGTERM, signal.SIGINT)

HANDLED: Final = frozenset({*ENDINGS, signal.SIGHUP, signal.SIGCHLD})
"""Blocked where a worker begins: until it has handlers they wait, for without one each of them would kill it."""

_PR_SET_PDEATHSIG: Final = 1
_YOUNG_S: Final = 5.0
_PATIENCE: Final = 5
"""So many workers in a row may die young.

Then something is wrong that another one will not mend.
"""


@final
class Workers:
    """Runs ``work`` (told the number of its worker) in ``count`` processes.

    One that dies is replaced; all end together.

    Args:
        work: What a worker does until it gets SIGTERM; nothing of it runs in this process. It
            begins with `HANDLED` blocked, and has to let them in. count: How many. refresh: Called
            here now and then, and on SIGHUP: what it changes, those that are started later begin
            with. reloads: Whether SIGHUP is handed on, to reload, instead of ending. every_s: How
            often ``refresh`` is called, in seconds.
    """

    def __init__(
        self,
        work: Callable[[int], None],
        count: int,
        refresh: Callable[[], None],
        *,
        reloads: bool,
        every_s: float,
    ) -> None:
        self._work = work
        self._count = count
        self._refresh = refresh
        self._reloads = reloads
        self._every_s = every_s
        self._running: dict[int, tuple[int, float]] = {}
        self._died_young = 0

    def run(self, on_started: Callable[[], None], on_stopping: Callable[[], None]) -> None:
        """Look after them until a signal says to end.

        Raises Unavailable when they die faster than they can be replaced.
        """
        # Blocked and waited for: no handler runs between any two lines of this.
        before = signal.pthread_sigmask(signal.SIG_BLOCK, HANDLED)
        try:
            for number in range(self._count):
                self._start(number)
            on_started()
            while True:
                got = signal.sigtimedwait(HANDLED, self._every_s)
                if got is None:
                    self._refresh()
                elif got.si_signo == signal.SIGCHLD:
                    self._replace()
                elif got.si_signo == signal.SIGHUP and self._reloads:
                    self._refresh()
                    self._tell(signal.SIGHUP)
                else:
                    break
            on_stopping()
        finally:
            self._tell(signal.SIGTERM)
            failed = sum(_reap(pid) for pid in self._running)
            # A signal that waits would strike now, as would another one on the way out: they have
            # all been obeyed.
            for number in (*ENDINGS, signal.SIGHUP):
                signal.signal(number, signal.SIG_IGN)
            while signal.sigpending() & HANDLED:
                signal.sigwait(HANDLED)
            signal.pthread_sigmask(signal.SIG_SETMASK, before)
        if failed:
            raise Unavailable(
                f"{failed} of {self._count} worker processes failed", hint="the log says why"
            )

    def _replace(self) -> None:
        for pid, (number, since) in list(self._running.items()):
            done, status = os.waitpid(pid, os.WNOHANG)
            if not done:
                continue
            del self._running[pid]
            logger.error(
                "worker %d (process %d) ended with %d",
                number,
                pid,
                os.waitstatus_to_exitcode(status),
            )
            self._died_young = self._died_young + 1 if time.monotonic() - since < _YOUNG_S else 0
            if self._died_young >= _PATIENCE:
                raise Unavailable(
                    f"{self._died_young} worker processes died one after another",
                    hint="the log says why",
                )
            if self._died_young:
                time.sleep(0.2 * self._died_young)
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
            # Not `sys.exit`: what the parent has on its stack is none of the child's business.
            os._exit(code)

    def _tell(self, number: signal.Signals) -> None:
        for pid in self._running:
            # Nobody has reaped it, so the number is still its own.
            os.kill(pid, number)


def _reap(pid: int) -> bool:
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) != 0


def _die_with(parent: int) -> None:
    """Have the kernel end this process when its parent is killed: otherwise it would serve on, with nobody to stop it."""
    prctl = getattr(ctypes.CDLL(None), "prctl", None)
    if prctl is not None:
        prctl(_PR_SET_PDEATHSIG, int(signal.SIGTERM), 0, 0, 0)
    if os.getppid() != parent:
        os.kill(os.getpid(), signal.SIGTERM)
