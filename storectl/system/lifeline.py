"""The end of a command with the server that runs it, also if the server is killed."""

from __future__ import annotations

import os
import signal
import stat
import threading
from typing import Final

LIFELINE: Final = "_STORECTL_LIFELINE"
"""The environment variable with the number of a descriptor: a pipe that the server never writes to.

`mirror.jobs.program.LIFELINE` is the same.
"""


def watch() -> None:
    """End this process with SIGTERM when the server closes its end of the pipe, if there is one.

    The kernel closes it, too, when the server is killed.
    """
    text = os.environ.pop(LIFELINE, "")
    # The limit of Linux for the number of a descriptor has fewer digits.
    if not text.isascii() or not text.isdigit() or len(text) > 9:  # noqa: PLR2004 - see above
        return
    descriptor = int(text)
    try:
        if not stat.S_ISFIFO(os.fstat(descriptor).st_mode):
            return
        # Programs that this command runs must not have it.
        os.set_inheritable(descriptor, False)  # noqa: FBT003 - it has no names
    except OSError:
        return
    threading.Thread(target=_end_with, args=(descriptor,), name="lifeline", daemon=True).start()


def _end_with(descriptor: int) -> None:
    os.read(descriptor, 1)
    os.kill(os.getpid(), signal.SIGTERM)
