"""Handlers for the signals that end a run.

The handlers unwind the stack like Ctrl-C, so that no partial result is left.
"""

from __future__ import annotations

import os
import signal
import sys
from typing import TYPE_CHECKING, Final, NoReturn

from storectl.output.exit_codes import ExitCode

if TYPE_CHECKING:
    from sys import UnraisableHookArgs
    from types import FrameType

EXIT_CODES: Final = {
    signal.SIGINT: ExitCode.INTERRUPTED,
    signal.SIGTERM: ExitCode.TERMINATED,
    signal.SIGHUP: ExitCode.HUNG_UP,
}
"""The signals that end a run, each with its exit code."""

CLEANUP_LIMIT_S: Final = 10.0
"""How long a run may clean up after a signal. The next operation removes anything left over."""

_RETRY_S: Final = 0.01


class TerminatedError(BaseException):
    """A signal other than Ctrl-C that ends the run with ``code``."""

    def __init__(self, code: ExitCode) -> None:
        super().__init__()
        self.code = code


def install() -> None:
    """Let SIGTERM, SIGINT and SIGHUP end the run with an exception in the main thread.

    SIGINT and SIGHUP stay ignored if they are already ignored: a shell without job control starts
    background processes with SIGINT ignored, and `nohup` starts processes with SIGHUP ignored.
    """
    sys.unraisablehook = raise_again
    # A server that starts this program may have blocked them.
    signal.pthread_sigmask(signal.SIG_UNBLOCK, EXIT_CODES)
    signal.signal(signal.SIGTERM, terminate)
    for number in (signal.SIGINT, signal.SIGHUP):
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, terminate)


def ignore() -> None:
    """Ignore all signals that end a run from now on."""
    for number in EXIT_CODES:
        signal.signal(number, signal.SIG_IGN)


def terminate(number: int, _frame: FrameType | None) -> NoReturn:
    """Handle a signal of `EXIT_CODES`: ignore all further signals, and unwind.

    Raises:
        KeyboardInterrupt: The signal is SIGINT.
        TerminatedError: The signal is SIGTERM or SIGHUP.
    """
    # A second signal must not interrupt the cleanup. When a terminal closes, both the terminal and
    # the shell may send SIGHUP.
    ignore()
    _unwind(EXIT_CODES[signal.Signals(number)])


def interruption(error: BaseException) -> BaseException | None:
    """Return the exception of a signal that `error` was raised from, or None.

    Python before 3.12 replaces an exception in ``__set_name__`` with a RuntimeError, so a class
    whose creation is interrupted raises one.
    """
    at: BaseException | None = error
    seen: set[int] = set()
    while at is not None and id(at) not in seen:
        if isinstance(at, KeyboardInterrupt | TerminatedError):
            return at
        # An error that was raised from its own wrapper is the cause of its cause.
        seen.add(id(at))
        at = at.__cause__
    return None


def raise_again(unraisable: UnraisableHookArgs) -> None:
    """Handle an exception that Python ignores, for `sys.unraisablehook`.

    Python ignores exceptions in callbacks of the garbage collector, even if a signal handler raised
    them. This hook raises them again a moment later.
    """
    problem = unraisable.exc_value
    if isinstance(problem, KeyboardInterrupt | TerminatedError):
        code = problem.code if isinstance(problem, TerminatedError) else ExitCode.INTERRUPTED
        signal.signal(signal.SIGALRM, lambda _number, at: _unwind_outside_hook(at, code))
        signal.setitimer(signal.ITIMER_REAL, _RETRY_S)
    else:
        sys.__unraisablehook__(unraisable)


def _unwind(code: ExitCode) -> NoReturn:
    # The signal may have interrupted code that holds a lock for which the cleanup waits. The run
    # must end nevertheless.
    signal.signal(signal.SIGALRM, lambda _number, _at: os._exit(code))
    signal.setitimer(signal.ITIMER_REAL, CLEANUP_LIMIT_S)
    if code is ExitCode.INTERRUPTED:
        raise KeyboardInterrupt
    raise TerminatedError(code)


def _unwind_outside_hook(at: FrameType | None, code: ExitCode) -> None:
    """Unwind, or try again later if the hook is still running.

    Exceptions inside the hook are ignored as well. A busy machine may need longer than `_RETRY_S`
    to leave the hook.
    """
    while at is not None:
        if at.f_code is raise_again.__code__:
            signal.setitimer(signal.ITIMER_REAL, _RETRY_S)
            return
        at = at.f_back
    _unwind(code)
