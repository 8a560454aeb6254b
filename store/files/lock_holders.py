"""The process that holds a lock of ``flock``, as Linux lists it in ``/proc/locks`` (proc(5))."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable

LOCKS: Final = Path("/proc/locks")


def holder(descriptor: int) -> int | None:
    """Return the ID of the process that holds the lock on a file.

    Args:
        descriptor: The locked file.

    Returns:
        The ID of the process; None if the system does not tell it. The kernel does not list
        processes of other containers.
    """
    status = os.fstat(descriptor)
    device = f"{os.major(status.st_dev):02x}:{os.minor(status.st_dev):02x}"
    try:
        with LOCKS.open(encoding="ascii", errors="replace") as lines:
            return find_holder(lines, f"{device}:{status.st_ino}")
    except OSError:
        return None


def find_holder(lines: Iterable[str], file: str) -> int | None:
    """Return the process that holds the lock on a file, or None if no line lists the file.

    Args:
        lines: Lines such as ``1: FLOCK  ADVISORY  WRITE 4711 08:01:123 0 EOF``. A process that
            waits has ``->`` as its second field.
        file: The file as ``MAJOR:MINOR:INODE``, with hexadecimal device numbers.
    """
    for line in lines:
        fields = line.split()
        if len(fields) > 5 and fields[1] == "FLOCK" and fields[5] == file:  # noqa: PLR2004 - columns
            process = int(fields[4])
            return process if process > 0 else None
    return None
