"""Being served first: what else runs on the machine should be felt as little as can be, and by all contestants alike."""

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
    """While the block runs, this session comes before all others.

    Whether the system lets us (it takes root, and Linux).

    Where the kernel groups processes by session, only the group's niceness counts against others.
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
    """The same for a daemon that has a session of its own, as long as it lives.

    Where `first` could not, this does nothing.
    """
    try:
        Path(f"/proc/{pid}/autogroup").write_text(_FIRST)
    except OSError:
        return
