"""TCP without pacing between the processes of one machine.

BBR paces packets by timers. On the loopback interface a server then waits for timers instead of its
client, in one of several states that a connection keeps: the figures of one server spread by a
factor of two. Linux's default, CUBIC, does not pace.
"""

from __future__ import annotations

from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator

SETTING: Final = Path("/proc/sys/net/ipv4/tcp_congestion_control")
_DEFAULT: Final = "cubic"


def current() -> str:
    """Return the congestion control of new connections, or ``unknown``."""
    try:
        return SETTING.read_text().strip()
    except OSError:
        return "unknown"


@contextmanager
def none() -> Iterator[bool]:
    """Turn pacing off for new connections while the block runs.

    Yields:
        Whether new connections are not paced; turning pacing off needs root and Linux.
    """
    before = current()
    try:
        SETTING.write_text(_DEFAULT)
    except OSError:
        yield before == _DEFAULT
        return
    try:
        yield True
    finally:
        SETTING.write_text(before)
