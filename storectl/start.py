"""The entry point: it can be interrupted from the first moment, and then imports the program.

Importing the program takes most of a short run. Before a signal handler is installed, Ctrl-C would
print a traceback of the imports.
"""

from __future__ import annotations

import os
import signal
import sys
from typing import TYPE_CHECKING, Final, NoReturn

from storectl.system.completion import COMPLETE

if TYPE_CHECKING:
    from types import FrameType

MESSAGE: Final = b"storectl: interrupted; nothing was changed\n"
INTERRUPTED: Final = 130


def main() -> NoReturn:
    """Run the command line in `sys.argv`, and exit with a code of `ExitCode`."""
    if signal.getsignal(signal.SIGINT) is not signal.SIG_IGN:
        signal.signal(signal.SIGINT, end)
    open_standard_files()
    from storectl.cli import main as run  # noqa: PLC0415 - after the handler is installed

    run()


def end(_number: int, _frame: FrameType | None) -> NoReturn:
    """Handle Ctrl-C before the program is imported: end at once, because nothing was begun."""
    # A shell that asks for completions shows nothing, and a message would disturb its line.
    if COMPLETE not in os.environ:
        newline = b"\n" if os.isatty(2) else b""
        os.write(2, newline + MESSAGE)
    os._exit(INTERRUPTED)


def open_standard_files() -> None:
    """Open /dev/null in place of each standard file that is closed.

    The next file that is opened gets the number of a closed one. Without this, it would be a file
    of the store, and messages would be written into it. `sys.stdin` and `sys.stdout` stay None, so
    that a command can report that it needs them.
    """
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            # The lowest free number is this one.
            os.open(os.devnull, os.O_RDWR)
    if sys.stderr is None:
        sys.stderr = os.fdopen(2, "w", closefd=False)
