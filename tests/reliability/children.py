"""Work in forked processes, so that a fault, a kill or a leak stays in the process it struck.

A fork costs a few milliseconds. A start of the program would cost a hundred times as much.
"""

from __future__ import annotations

import gc
import importlib
import os
import pickle
import select
import signal
import sys
import time
import traceback
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final, final

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

STUCK_S: Final = 120
"""A child that runs longer hangs."""

_CRASHED: Final = 99


@final
@dataclass(frozen=True, slots=True)
class Ended:
    """How a child ended.

    Attributes:
        code: The exit code; negative for a signal.
        result: What the work returned; None if the process was killed.
        told: What the work has told before it ended.
        said: The child's output and error output.
    """

    code: int
    result: Any
    told: tuple[str, ...]
    said: str


def in_child(
    work: Callable[[Callable[[str], None]], Any], output: Path, *, limit_s: float | None = STUCK_S
) -> Ended:
    """Run ``work`` in a forked process and wait for its end.

    Args:
        work: The work. Its argument tells the parent a line, which arrives even if the child is
            killed afterwards.
        output: A file for the output of the child.
        limit_s: How long the child may run, in seconds; None for any time.

    Raises:
        AssertionError: The work has raised an error, or hangs.
    """
    reader, writer = os.pipe()
    pid = os.fork()
    if pid == 0:
        _run(work, reader, writer, output)
    os.close(writer)
    parts = _read(reader, pid, limit_s)
    os.close(reader)
    code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    told, result = [], None
    for kind, value in _unpack(parts):
        if kind == "told":
            told.append(value)
        elif kind == "result":
            result = value
        else:
            raise AssertionError(f"{value}\n{output.read_text(errors='replace')}")
    return Ended(code, result, tuple(told), output.read_text(errors="replace"))


def import_modules_of(work: Callable[[Callable[[str], None]], Any], output: Path) -> Ended:
    """Run ``work`` in a child, and import here every module that the child has imported.

    So later children need not import them. The work itself may start threads, which a process that
    forks must not have.

    Raises:
        AssertionError: The work fails.
    """

    def with_names(tell: Callable[[str], None]) -> tuple[Any, list[str]]:
        before = set(sys.modules)
        return work(tell), [name for name in sys.modules if name not in before]

    ended = in_child(with_names, output)
    assert ended.code == 0, ended.said
    result, names = ended.result
    for name in names:
        with suppress(ImportError):
            importlib.import_module(name)
    return replace(ended, result=result)


def _run(
    work: Callable[[Callable[[str], None]], Any], reader: int, writer: int, output: Path
) -> None:
    os.close(reader)
    gc.disable()  # a search for cycles would take longer than most of the work
    try:
        descriptor = os.open(output, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        os.dup2(descriptor, 1)
        os.dup2(descriptor, 2)
        os.close(descriptor)
        sys.stdout = open(1, "w", closefd=False)  # noqa: SIM115 - the child's own
        sys.stderr = open(2, "w", closefd=False)  # noqa: SIM115 - the child's own
        result = work(lambda line: _send(writer, "told", line))
        sys.stdout.flush()
        sys.stderr.flush()
        _send(writer, "result", result)
    except BaseException:  # noqa: BLE001 - the parent raises it
        _send(writer, "error", traceback.format_exc())
        os._exit(_CRASHED)
    os._exit(0)


def _send(descriptor: int, kind: str, value: object) -> None:
    data = pickle.dumps((kind, value))
    data = len(data).to_bytes(4, "big") + data
    while data:
        data = data[os.write(descriptor, data) :]


def _read(reader: int, pid: int, limit_s: float | None) -> bytes:
    parts: list[bytes] = []
    deadline = None if limit_s is None else time.monotonic() + limit_s
    while True:
        left = None if deadline is None else max(0.0, deadline - time.monotonic())
        if not select.select([reader], [], [], left)[0]:
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)
            raise AssertionError(f"a child has not ended after {limit_s} s")
        part = os.read(reader, 1 << 20)
        if not part:
            return b"".join(parts)
        parts.append(part)


def _unpack(data: bytes) -> list[tuple[str, Any]]:
    found, position = [], 0
    while position + 4 <= len(data):
        size = int.from_bytes(data[position : position + 4], "big")
        found.append(pickle.loads(data[position + 4 : position + 4 + size]))  # noqa: S301 - ours
        position += 4 + size
    return found
