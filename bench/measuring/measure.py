"""Measure what a program and its children cost: time, processor, memory and disk."""

from __future__ import annotations

import contextlib
import os
import stat
import subprocess
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, TYPE_CHECKING, Final

from bench.model import Sample

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

_SAMPLE_S: Final = 0.02
_DISK_EVERY: Final = 5
"""How many samples of memory there are per sample of disk usage; disk usage costs more to read."""

_BLOCK: Final = 512
_TICKS: Final = os.sysconf("SC_CLK_TCK")


@dataclass(slots=True)
class Daemon:
    """The processes of a server that does work for a program.

    The cost of these processes is added to the cost of the program.
    """

    pids: tuple[int, ...]
    _before: float = field(default=0.0)

    def begin(self) -> None:
        """Record the processor time so far, and reset the peak of memory."""
        self._before = self._cpu_s()
        for pid in self.pids:
            # The value 5 resets VmHWM (proc_pid_clear_refs(5)).
            with contextlib.suppress(OSError):
                Path(f"/proc/{pid}/clear_refs").write_text("5")

    def spent_s(self) -> float:
        """Return the processor seconds of the server since `begin`."""
        return self._cpu_s() - self._before

    def _cpu_s(self) -> float:
        return sum(_cpu_s(pid) for pid in self.pids)


def run(
    command: Sequence[str],
    *,
    watch: Iterable[Path] = (),
    env: Mapping[str, str] | None = None,
    stdin: Path | None = None,
    stdout: Path | None = None,
    daemon: Daemon | None = None,
) -> Sample:
    """Run ``command`` to its end, and return its cost.

    Args:
        command: The program and its arguments.
        watch: Folders and files whose size on disk is sampled; their size afterwards is
            ``disk_bytes``.
        env: Environment variables to add; None to add none.
        stdin: The file for standard input; None for no input.
        stdout: The file for standard output; None to discard the output.
        daemon: A server that does work for the program; None if there is no server.

    Raises:
        CalledProcessError: The program failed; ``stderr`` is the end of its standard error.
    """
    watched = list(watch)
    with contextlib.ExitStack() as held:
        source: IO[bytes] | int = (
            held.enter_context(stdin.open("rb")) if stdin else subprocess.DEVNULL
        )
        sink: IO[bytes] | int = (
            held.enter_context(stdout.open("wb")) if stdout else subprocess.DEVNULL
        )
        errors = held.enter_context(contextlib.closing(_Errors()))
        if daemon:
            daemon.begin()
        began = time.perf_counter()
        process = subprocess.Popen(
            command,
            stdin=source,
            stdout=sink,
            stderr=errors.write_end,
            env={**os.environ, **(env or {})},
        )
        errors.started()
        sampler = _Sampler((process.pid, *(daemon.pids if daemon else ())), watched)
        sampler.start()
        _, status, usage = os.wait4(process.pid, 0)
        wall = time.perf_counter() - began
        process.returncode = os.waitstatus_to_exitcode(status)
        sampler.stop()
        if process.returncode:
            raise subprocess.CalledProcessError(
                process.returncode, list(command), stderr=errors.text()
            )
    stayed = sum(map(allocated, watched))
    return Sample(
        wall_s=wall,
        cpu_s=usage.ru_utime + usage.ru_stime + (daemon.spent_s() if daemon else 0.0),
        peak_bytes=sampler.peak_bytes,
        temporary_bytes=max(0, sampler.disk_bytes - stayed),
        disk_bytes=stayed,
    )


class _Errors:
    """The last 4000 bytes of a program's standard error.

    A thread reads the standard error all the time, so that the program never waits for a reader.
    """

    _KEPT: Final = 4000

    def __init__(self) -> None:
        self._read, self.write_end = os.pipe()
        self._text = b""
        self._thread = threading.Thread(target=self._drain)

    def started(self) -> None:
        os.close(self.write_end)
        self.write_end = -1
        self._thread.start()

    def close(self) -> None:
        if self.write_end >= 0:
            os.close(self.write_end)
            os.close(self._read)
        else:
            self._thread.join()

    def text(self) -> str:
        self._thread.join()
        return self._text.decode(errors="replace")

    def _drain(self) -> None:
        while piece := os.read(self._read, 1 << 16):
            self._text = (self._text + piece)[-self._KEPT :]
        os.close(self._read)


class _Sampler(threading.Thread):
    """A thread that samples processes and folders while the program runs.

    The kernel records each process' peak memory, so only a peak after the last sample is missed.
    """

    def __init__(self, pids: tuple[int, ...], watched: Sequence[Path]) -> None:
        super().__init__(daemon=True)
        self._pids = pids
        self._watched = watched
        self._done = threading.Event()
        self.peak_bytes = 0
        self.disk_bytes = 0

    def run(self) -> None:
        look = 0
        while not self._done.wait(_SAMPLE_S):
            family = _family(self._pids)
            self.peak_bytes = max(self.peak_bytes, *(peak_of(pid) for pid in family))
            if look % _DISK_EVERY == 0:
                self.disk_bytes = max(
                    self.disk_bytes,
                    sum(map(allocated, self._watched)) + sum(_unlinked(pid) for pid in family),
                )
            look += 1

    def stop(self) -> None:
        self._done.set()
        self.join()


def peak_of(pid: int) -> int:
    """Return the peak memory (VmHWM) of a process in bytes, or 0 if the process has ended."""
    try:
        for line in Path(f"/proc/{pid}/status").read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024
    except OSError:
        pass
    return 0


def allocated(path: Path) -> int:
    """Return the bytes on disk at and below a path; files that vanish meanwhile are not counted."""
    try:
        status = path.lstat()
    except OSError:
        return 0
    total = status.st_blocks * _BLOCK
    if not stat.S_ISDIR(status.st_mode):
        return total
    with contextlib.suppress(OSError), os.scandir(path) as entries:
        for entry in entries:
            with contextlib.suppress(OSError):
                if entry.is_dir(follow_symlinks=False):
                    total += allocated(Path(entry.path))
                else:
                    total += entry.stat(follow_symlinks=False).st_blocks * _BLOCK
    return total


def _family(pids: Iterable[int]) -> list[int]:
    """Return the IDs of the processes and of all their descendants."""
    found = list(pids)
    for pid in found:
        with contextlib.suppress(OSError):
            found.extend(
                int(child)
                for task in Path(f"/proc/{pid}/task").iterdir()
                for child in (task / "children").read_text().split()
            )
    return found


def _unlinked(pid: int) -> int:
    """Return the bytes on disk of deleted files that a process still holds open."""
    total = 0
    with contextlib.suppress(OSError):
        for opened in Path(f"/proc/{pid}/fd").iterdir():
            with contextlib.suppress(OSError):
                status = opened.stat()
                if stat.S_ISREG(status.st_mode) and not status.st_nlink:
                    total += status.st_blocks * _BLOCK
    return total


def _cpu_s(pid: int) -> float:
    """Return the processor seconds of a process and of the children that it has waited for."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return 0.0
    return sum(map(int, fields[11:15])) / _TICKS
