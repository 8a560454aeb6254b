"""Facts about processes, read from /proc, where entries may vanish at any time."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path


def open_files(process: int | str = "self") -> list[str]:
    """Return the targets of a process's descriptors: paths or words like ``socket:[123]``."""
    found = []
    for descriptor in Path(f"/proc/{process}/fd").iterdir():
        # The descriptor that listed the folder is closed by now.
        with suppress(OSError):
            found.append(str(descriptor.readlink()))
    return found


def children(process: int) -> set[int]:
    """Return the IDs of a process's children, including ended children that are not reaped."""
    found: set[int] = set()
    for thread in Path(f"/proc/{process}/task").glob("*/children"):
        with suppress(OSError):
            found.update(map(int, thread.read_text().split()))
    return found


def is_running(process: int) -> bool:
    """Return whether the process exists and has not ended."""
    try:
        # The file of a process that has ended and is not reaped is empty.
        return bool(Path(f"/proc/{process}/cmdline").read_bytes())
    except OSError:
        return False
