"""Schedule the benchmark with a higher priority than the other processes of the machine."""

from __future__ import annotations

from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator

_OWN: Final = Path("/proc/self/autogroup")
_FIRST: Final = "-20"


@contextmanager
def first() -> Iterator[bool]:
    """Give this session the highest priority while the ``with`` block runs.

    With autogroups, the kernel puts the processes of a session in one group. The niceness of the
    group decides the priority of the session.

    Yields:
        True if the session has the highest priority, False if the priority cannot be set: this
        needs root and Linux.
    """
    try:
        before = _OWN.read_text().split()[-1]
        _OWN.write_text(_FIRST)
    except OSError:
        yield False
        return
    try:
        yield True
    finally:
        _OWN.write_text(before)


def also(pid: int) -> None:
    """Give the session of a daemon the highest priority, if the operating system allows it."""
    try:
        Path(f"/proc/{pid}/autogroup").write_text(_FIRST)
    except OSError:
        return
