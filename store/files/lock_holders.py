"""The processes that hold a lock on a file, or have it open, as Linux lists them (proc(5))."""

from __future__ import annotations

import os
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final, final

from store.model.base_errors import printable

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator

PROC: Final = Path("/proc")

_COLUMNS: Final = 6
_MAX_FILES: Final = 4096
"""The most open files of a process that are compared with a locked file."""

_MAX_OPEN_FILES: Final = 65_536
"""The most open files of one process that are looked at."""

_DELETED: Final = " (deleted)"

_STATES: Final = {"T": "stopped", "t": "stopped by a debugger", "D": "waiting for a disk"}
"""The states of a process (the third field of ``/proc/PID/stat``) that explain a long lock."""


@final
@dataclass(frozen=True, slots=True)
class Holder:
    """A process that holds a lock.

    Attributes:
        pid: The ID of the process.
        command: The name of its command, as the kernel knows it; empty if it cannot be read.
        state: The reason for which the process does not run; empty if it runs.
    """

    pid: int
    command: str = ""
    state: str = ""

    @property
    def is_stopped(self) -> bool:
        """Whether a signal or a debugger has stopped the process."""
        return self.state.startswith("stopped")

    def __str__(self) -> str:
        facts = ", ".join(filter(None, (self.command, self.state)))
        return f"process {self.pid} ({facts})" if facts else f"process {self.pid}"


def holder(status: os.stat_result, *, kind: str = "FLOCK") -> Holder | None:
    """Return the process that holds a lock on a file.

    Args:
        status: The status of the locked file.
        kind: The kind of the lock: ``FLOCK``, or ``POSIX`` for those of SQLite.

    Returns:
        The process; None if the system does not tell it. The kernel does not list processes of
        other containers.
    """
    device = f"{os.major(status.st_dev):02x}:{os.minor(status.st_dev):02x}"
    try:
        with (PROC / "locks").open(encoding="ascii", errors="replace") as lines:
            locks = list(_write_locks(lines, kind))
    except OSError:
        return None
    pid = find_holder(locks, f"{device}:{status.st_ino}")
    if pid is None:
        # On btrfs and overlayfs, the list has a device of the kernel's own.
        same = {pid for file, pid in locks if file.rpartition(":")[2] == str(status.st_ino)}
        pid = next((one for one in sorted(same) if _has_open(one, status)), None)
    return None if pid is None else describe(pid)


def find_holder(locks: Iterable[tuple[str, int]], file: str) -> int | None:
    """Return the process that holds the lock on a file, or None if none is listed.

    Args:
        locks: The locks: a file, and the process that has locked it.
        file: The file as ``MAJOR:MINOR:INODE``, with hexadecimal device numbers.
    """
    return next((pid for locked, pid in locks if locked == file), None)


def _write_locks(lines: Iterable[str], kind: str) -> Iterator[tuple[str, int]]:
    """Yield the file and the process of each exclusive lock that is held.

    Args:
        lines: Lines such as ``1: FLOCK  ADVISORY  WRITE 4711 08:01:123 0 EOF``. A process that
            waits has ``->`` as its second field.
        kind: The kind of the locks.
    """
    for line in lines:
        fields = line.split()
        if len(fields) >= _COLUMNS and fields[1] == kind and fields[3] == "WRITE":
            pid = int(fields[4])
            if pid > 0:
                yield fields[5], pid


def _has_open(pid: int, status: os.stat_result) -> bool:
    """Return whether a process of this user has a file open."""
    try:
        names = os.listdir(PROC / str(pid) / "fd")[:_MAX_FILES]  # noqa: PTH208 - names only
    except OSError:
        return False
    for name in names:
        with suppress(OSError):
            if os.path.samestat((PROC / str(pid) / "fd" / name).stat(), status):
                return True
    return False


def describe(pid: int) -> Holder:
    """Return a process with its command and state, as far as the system tells them.

    Args:
        pid: The ID of the process.
    """
    command = state = ""
    # The process may end meanwhile.
    with suppress(OSError):
        command = (PROC / str(pid) / "comm").read_text("utf-8", "replace").rstrip("\n")
        # The name of the command may have any letters, also parentheses.
        fields = (PROC / str(pid) / "stat").read_text("utf-8", "replace").rpartition(")")[2]
        state = _STATES.get(fields.split()[0], "") if fields.split() else ""
    return Holder(pid, printable(command), state)


def users(folder: Path, names: Collection[str]) -> list[Holder]:
    """Return the other processes that have one of some files open, also if it was removed.

    The kernel does not list processes of other containers, and those of other users only to root.

    Args:
        folder: The folder of the files, without symbolic links in its path.
        names: The names of the files.
    """
    wanted = {str(folder / name) for name in names}
    try:
        pids = sorted(int(name) for name in os.listdir(PROC) if name.isdigit())  # noqa: PTH208
    except OSError:
        return []
    return [describe(pid) for pid in pids if pid != os.getpid() and _uses(pid, wanted)]


def _uses(pid: int, wanted: Collection[str]) -> bool:
    place = PROC / str(pid) / "fd"
    try:
        names = os.listdir(place)[:_MAX_OPEN_FILES]  # noqa: PTH208 - names only
    except OSError:
        # The process has ended, or belongs to another user.
        return False
    for name in names:
        try:
            target = str((place / name).readlink())
        except OSError:
            continue
        if target.removesuffix(_DELETED) in wanted:
            return True
    return False
