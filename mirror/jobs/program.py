"""A program that the leader runs: a command of storectl, in a process of its own.

So its work takes no time from the threads that answer requests, its memory is given back when it
has ended, and it does exactly what the same command does by hand. It ends when this process is
killed.
"""

from __future__ import annotations

import json
import os
import subprocess
import threading
import time
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, final

if TYPE_CHECKING:
    from collections.abc import Sequence

    from store.workspace.locks import Lock

LIFELINE: Final = "_STORECTL_LIFELINE"
"""The environment variable with the number of a descriptor: the read end of a pipe.

The program ends with SIGTERM when nobody has the other end any more.
"""

_NICENESS: Final = 10
"""How much more the scheduler of the system prefers the server."""

_POLL_S: Final = 0.5
_MAX_TEXT: Final = 1000


@final
@dataclass(frozen=True, slots=True)
class Ended:
    """How a program has ended.

    Attributes:
        exit_code: Its exit code, 0 without a failure.
        output: What it has printed: one JSON document.
        errors: What it has printed on standard error.
        was_stopped: Whether `Program.stop` has ended it.
    """

    exit_code: int
    output: bytes = b""
    errors: bytes = b""
    was_stopped: bool = False

    @property
    def message(self) -> str:
        """The first error: the message of a JSON document, or a line of text."""
        first = self.errors.decode(errors="replace").strip().partition("\n")[0]
        with suppress(ValueError, TypeError, KeyError):
            first = str(json.loads(first)["Error"])
        return (first or f"exit code {self.exit_code}")[:_MAX_TEXT]


@final
class Program:
    """One run of the program.

    Args:
        command: The program and its arguments. It prints a JSON document.
        grace_s: How long the program may take to end after `stop`, in seconds.
    """

    def __init__(self, command: Sequence[str], grace_s: float) -> None:
        self._command = tuple(command)
        self._grace_s = grace_s
        self._guard = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None
        self._kill_at: float | None = None

    @property
    def _was_stopped(self) -> bool:
        return self._kill_at is not None

    @property
    def _is_overdue(self) -> bool:
        return self._kill_at is not None and time.monotonic() > self._kill_at

    def run(self, lock: Lock | None = None) -> Ended:
        """Run the program to its end, and return how it has ended.

        Args:
            lock: A lock that the program holds as well: if this process is killed, the lock stays
                until the program has ended.
        """
        try:
            lifeline, ours = os.pipe()
        except OSError as exc:
            return _not_started(exc)
        try:
            return self._run(lifeline, () if lock is None else lock.descriptors)
        finally:
            os.close(lifeline)
            os.close(ours)

    def _run(self, lifeline: int, held: tuple[int, ...]) -> Ended:
        with self._guard:
            if self._was_stopped:
                return Ended(0, was_stopped=True)
            try:
                self._process = process = subprocess.Popen(  # noqa: S603 - the command is of the settings
                    self._command,
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.PIPE,
                    stderr=subprocess.PIPE,
                    # Ctrl-C on the terminal of the server reaches the server alone.
                    process_group=0,
                    pass_fds=(lifeline, *held),
                    env={**os.environ, LIFELINE: str(lifeline)},
                )
            except OSError as exc:
                return _not_started(exc)
        with suppress(OSError):
            # Its threads inherit the priority.
            os.setpriority(os.PRIO_PROCESS, process.pid, _NICENESS)
        with process:
            while True:
                try:
                    out, errors = process.communicate(timeout=_POLL_S)
                    break
                except subprocess.TimeoutExpired:
                    if self._is_overdue:
                        process.kill()
        return Ended(process.returncode, out, errors, self._was_stopped)

    def stop(self) -> None:
        """End the run soon; it keeps what it has done. Any thread may call this."""
        with self._guard:
            if self._kill_at is None:
                self._kill_at = time.monotonic() + self._grace_s
                if self._process is not None:
                    # Popen looks whether the process has ended, so that no other one gets it.
                    self._process.terminate()


def _not_started(error: OSError) -> Ended:
    return Ended(1, errors=f"cannot start the program: {error.strerror or error}".encode())
