"""The program that does one scheduled sync, in a process of its own, and what it reports.

So a sync takes no time from the threads that answer requests, its memory is given back when it has
ended, and it does exactly what the same command does by hand.
"""

from __future__ import annotations

import json
import os
import subprocess
import threading
import time
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, final

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

MAX_FAILURES: Final = 20
"""How many failed images of a run are reported."""

_NICENESS: Final = 10
"""How much more the scheduler of the system prefers the server."""

_POLL_S: Final = 0.5
_MAX_TEXT: Final = 1000
_MOVED: Final = ("pulled", "sent", "removed")


@final
@dataclass(frozen=True, slots=True)
class SyncResult:
    """What a run of the program reports.

    Attributes:
        exit_code: Its exit code, 0 without a failure.
        run: The name of the run in the log of references; empty if it did not come that far.
        counts: The number of images, by what became of them.
        size_bytes: How many bytes were transferred.
        failures: The names of images that failed, and why; `MAX_FAILURES` at most.
        message: Why there is no report; empty if there is one.
        was_stopped: Whether the server has ended the run.
    """

    exit_code: int
    run: str = ""
    counts: Mapping[str, int] = field(default_factory=dict)
    size_bytes: int = 0
    failures: tuple[tuple[str, str], ...] = ()
    message: str = ""
    was_stopped: bool = False

    @property
    def images(self) -> int:
        """How many images the run has looked at."""
        return sum(self.counts.values())

    @property
    def moved(self) -> int:
        """How many of them were pulled, sent or untagged."""
        return sum(self.counts.get(name, 0) for name in _MOVED)

    @property
    def failed(self) -> int:
        """How many of them failed."""
        return self.counts.get("failed", 0)


@final
class SyncProgram:
    """One run of the program.

    Args:
        command: The program and its arguments. It prints its report as JSON.
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

    def run(self) -> SyncResult:
        """Run the program to its end, and return its report."""
        with self._guard:
            if self._was_stopped:
                return SyncResult(0, was_stopped=True)
            try:
                self._process = process = subprocess.Popen(  # noqa: S603 - the command is of the settings
                    self._command,
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.PIPE,
                    stderr=subprocess.PIPE,
                    # Ctrl-C on the terminal of the server reaches the server alone.
                    process_group=0,
                )
            except OSError as exc:
                return SyncResult(1, message=f"cannot start the program: {exc.strerror or exc}")
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
        return _result(process.returncode, out, errors, was_stopped=self._was_stopped)

    def stop(self) -> None:
        """End the run soon; it keeps what it has fetched. Any thread may call this."""
        with self._guard:
            if self._kill_at is None:
                self._kill_at = time.monotonic() + self._grace_s
                if self._process is not None:
                    # Popen looks whether the process has ended, so that no other one gets it.
                    self._process.terminate()


def _result(code: int, out: bytes, errors: bytes, *, was_stopped: bool) -> SyncResult:
    try:
        (report,) = json.loads(out)
        failed = [one for one in report["Images"] if one["Error"] is not None]
        return SyncResult(
            code,
            str(report["Run"] or ""),
            {str(name): int(count) for name, count in report["Counts"].items()},
            int(report["DownloadedBytes"]),
            tuple((one["Name"], _short(one["Error"]["Message"])) for one in failed[:MAX_FAILURES]),
            was_stopped=was_stopped,
        )
    except (ValueError, TypeError, KeyError, AttributeError):
        message = _message(errors.decode(errors="replace").strip()) or f"exit code {code}"
        return SyncResult(code or 1, message=_short(message), was_stopped=was_stopped)


def _message(errors: str) -> str:
    """Return the first error of a program: the message of a JSON document, or a line of text."""
    first = errors.partition("\n")[0]
    try:
        return str(json.loads(first)["Error"])
    except (ValueError, TypeError, KeyError):
        return first


def _short(text: Any) -> str:  # noqa: ANN401 - from JSON
    return str(text)[:_MAX_TEXT]
