"""What TCP does between two processes of one machine, the same for all contestants.

BBR paces what it sends by timers. On the loopback interface a server then waits for timers and not
for its client, in one of several states that a connection keeps: the figures of one and the same
server spread by a factor of two. Linux's own default does not pace.
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
    """What new connections use."""
    try:
        return SETTING.read_text().strip()
    except OSError:
        return "unknown"


@contextmanager
def none() -> Iterator[bool]:
    """While the block runs, new connections are not paced.

    Whether the system lets us (it takes root, and Linux).
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
