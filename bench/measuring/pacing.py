"""Turn off TCP pacing between the processes of one machine.

The congestion control BBR uses timers to pace packets. On the loopback interface, a server with
BBR waits for timers instead of waiting for its client. The wait depends on the state of the
connection, so the figures of one server vary by a factor of two. Linux's default, CUBIC, does not
pace packets.
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
    """Turn pacing off for new connections while the ``with`` block runs.

    Yields:
        True if new connections are not paced, False if pacing cannot be turned off: that
        requires root and Linux.
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
