"""The settings of a server's processes: the number of descriptors, and the turns of threads."""

from __future__ import annotations

import resource
import sys
from contextlib import suppress
from typing import Final

TURN_S: Final = 0.0005
"""How long a thread may hold the interpreter while other threads wait, in seconds.

A request asks for the interpreter many times: after each file and each statement. With Python's
default of 5 ms each time, and two threads that parse large indexes, a small push took 1 to 2 s.
"""


def tune_process() -> None:
    """Prepare this process, and those forked from it, for many clients at once."""
    _raise_descriptors()
    sys.setswitchinterval(TURN_S)


def _raise_descriptors() -> None:
    """Raise the limit of file descriptors: each connection needs one, each transfer two more."""
    _, maximum = resource.getrlimit(resource.RLIMIT_NOFILE)
    with suppress(OSError, ValueError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (maximum, maximum))
