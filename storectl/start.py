"""The entry point: it can be interrupted from the first moment, and then imports the program.

Importing the program takes most of a short run. Before a signal handler is installed, Ctrl-C would
print a traceback of the imports. So this module imports nothing that has to be read from a file.
"""

import _signal  # type: ignore[import-not-found]  # built in, unlike `signal`; typeshed lacks it
import os
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import FrameType
    from typing import Final, NoReturn

MESSAGE: "Final" = b"storectl: interrupted; nothing was changed\n"
INTERRUPTED: "Final" = 130

COMPLETE: "Final" = "_STORECTL_COMPLETE"
"""The same value as `storectl.system.completion.COMPLETE`, whose module imports more."""

_OTHERS: "Final" = 0o077
"""The permissions of the group and of all other users."""


def main() -> "NoReturn":
    """Run the command line in `sys.argv`, and exit with a code of `ExitCode`."""
    if _signal.getsignal(_signal.SIGINT) != _signal.SIG_IGN:
        _signal.signal(_signal.SIGINT, end)
    open_standard_files()
    keep_own_permissions()
    from storectl.cli import main as run  # noqa: PLC0415 - after the handler is installed

    run()


def end(_number: int, _frame: "FrameType | None") -> "NoReturn":
    """Handle Ctrl-C before the program is imported: end at once, because nothing was begun."""
    # A shell that asks for completions shows nothing, and a message would disturb its line.
    if COMPLETE not in os.environ:
        newline = b"\n" if os.isatty(2) else b""
        os.write(2, newline + MESSAGE)
    os._exit(INTERRUPTED)


def open_standard_files() -> None:
    """Open /dev/null in place of each standard file that is closed.

    The next file that is opened gets the number of a closed one. Without this, it would be a file
    of the store, and messages would be written into it. `sys.stdin` stays None, so that a command
    can report that it needs it. Whatever is written to a closed output fails, as on a full disk.
    """
    for number, mode in enumerate((os.O_RDWR, os.O_RDONLY, os.O_RDWR)):
        try:
            os.fstat(number)
        except OSError:
            # The lowest free number is this one.
            os.open(os.devnull, mode)
    if sys.stdout is None:
        sys.stdout = os.fdopen(1, "w", closefd=False)
    if sys.stderr is None:
        sys.stderr = os.fdopen(2, "w", closefd=False)


def keep_own_permissions() -> None:
    """Remove the owner's permissions from the umask.

    With a umask such as 0777, the user could neither enter the folders nor read the files that the
    program creates, and a store would be unusable from then on.
    """
    mask = os.umask(_OTHERS)
    os.umask(mask & _OTHERS)
