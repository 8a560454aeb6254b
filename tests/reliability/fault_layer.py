"""The fault layer of a process: ``shim.c``, loaded with LD_PRELOAD and driven by ctypes."""

from __future__ import annotations

import ctypes
import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
from enum import IntEnum
from pathlib import Path
from typing import TYPE_CHECKING, Final, final

if TYPE_CHECKING:
    from collections.abc import Sequence

ROOT: Final = Path(__file__).parent.parent.parent
SOURCE: Final = Path(__file__).with_name("shim.c")
KILLED: Final = 137
"""The exit code of a process that the fault layer has killed."""

TAKES_SPACE: Final = "WFCMLR"
"""Kinds of calls that need space: writes, reservations, new names, folders, links, renames."""
CHANGES: Final = TAKES_SPACE + "UDTP"
"""Kinds of calls that change the file system."""
EVERYTHING: Final = CHANGES + "SB"
"""Kinds of calls that reach the disk: changes, and syncs."""


class Action(IntEnum):
    """What the fault layer does; ``shim.c`` describes each action."""

    OFF = 0
    COUNT = 1
    KILL = 2
    TORN = 3
    ONCE = 4
    FROM = 5


class CompilerMissingError(Exception):
    """The fault layer cannot be compiled, because no C compiler is installed."""


def compiled() -> Path:
    """Compile the fault layer, unless that is done already; return the shared library.

    Raises:
        CompilerMissingError: There is no C compiler.
    """
    source = SOURCE.read_bytes()
    folder = Path(tempfile.gettempdir()) / f"storectl-faults-{os.getuid()}"
    folder.mkdir(mode=0o700, exist_ok=True)
    library = folder / f"{hashlib.sha256(source).hexdigest()[:16]}.so"
    if library.exists():
        return library
    compiler = shutil.which("cc") or shutil.which("gcc")
    if compiler is None:
        raise CompilerMissingError
    fresh = library.with_suffix(f".{os.getpid()}")
    subprocess.run(
        [compiler, "-O2", "-shared", "-fPIC", "-pthread", "-o", str(fresh), str(SOURCE), "-ldl"],
        check=True,
        capture_output=True,
    )
    fresh.replace(library)
    return library


def program(*arguments: str) -> tuple[list[str], dict[str, str]]:
    """Return the command and environment that run Python behind the fault layer.

    Coverage is left out, because its files and threads would count.
    """
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("COVERAGE", "COV_CORE", "STORECTL_"))
    }
    return (
        [sys.executable, *arguments],
        {**kept, "LD_PRELOAD": str(compiled()), "PYTHONHASHSEED": "0", "PYTHONPATH": str(ROOT)},
    )


@final
class FaultLayer:
    """The controls of the fault layer, in a process that `program` has started."""

    def __init__(self) -> None:
        self._library = ctypes.CDLL(None)
        self._library.fault_kinds.restype = ctypes.c_char_p
        self._library.fault_place.restype = ctypes.c_char_p
        self._library.fault_calls.restype = ctypes.c_long

    def scope(self, folders: Sequence[Path]) -> None:
        """Let only calls on files below ``folders`` count."""
        for folder in folders:
            self._library.fault_scope(os.fsencode(folder))

    def arm(self, action: Action, at: int = 0, error: int = 0, kinds: str = "") -> None:
        """Choose what happens at the call with the number ``at``, which counts from 1."""
        self._library.fault_arm(int(action), ctypes.c_long(at), error, kinds.encode())

    def disarm(self) -> None:
        """Let every call pass, and end the record."""
        self._library.fault_disarm()

    def record(self, descriptor: int) -> None:
        """Write each call that succeeds into the open file ``descriptor``."""
        self._library.fault_record(descriptor)

    def mark(self, label: str) -> None:
        """Write into the record that something was acknowledged."""
        self._library.fault_mark(label.encode())

    @property
    def kinds(self) -> str:
        """The kind of each call so far, one letter each."""
        found: bytes = self._library.fault_kinds()
        return found.decode()

    @property
    def place(self) -> str:
        """The kind and the path of the call at which the fault was armed."""
        found: bytes = self._library.fault_place()
        return found.decode(errors="replace")
