"""What the kernel says of a process while that goes on: what is listed may have gone before it is looked at."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path


def open_files(process: int | str = "self") -> list[str]:
    """What its descriptors stand for: paths, and words like ``socket:[123]`` (proc(5))."""
    found = []
    for descriptor in Path(f"/proc/{process}/fd").iterdir():
        # The one that lists them is gone by now.
        with suppress(OSError):
            found.append(str(descriptor.readlink()))
    return found


def children(process: int) -> set[int]:
    """The processes that it has started, and not reaped yet."""
    return {
        int(text) for text in Path(f"/proc/{process}/task/{process}/children").read_text().split()
    }


def is_running(process: int) -> bool:
    """Whether there is such a process, and it has not ended."""
    try:
        # Of one that has ended, and was not reaped yet, this is empty.
        return bool(Path(f"/proc/{process}/cmdline").read_bytes())
    except OSError:
        return False
