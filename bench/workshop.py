"""Where a run works: its cache of inputs, its scratch folder, the programs it can call, the engine it can have."""

from __future__ import annotations

import compileall
import importlib.util
import os
import shutil
import subprocess
import sys
import tempfile
from contextlib import ExitStack
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Final, Self

from bench import priority
from bench.missing import MissingError

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.support.engine import Engine

CACHE: Final = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "storectl-bench"
PEERS: Final = CACHE.parent / "storectl-peers"
"""Where peers that Debian lacks, or has only old, are built to (scripts/build_peers.sh)."""

_READ_BYTES: Final = 1 << 22
_PACKAGES: Final = ("storectl", "mirror", "exporter", "store", "migrations")


class Workshop:
    """One run's surroundings; close it, and only the cache stays.

    Args:
        quick: Inputs are small, and cases are repeated less.
    """

    def __init__(self, *, quick: bool) -> None:
        self.quick = quick
        self._held = ExitStack()
        # Beside the cache: a copy from one to the other stays on one file system, and so does a
        # rename.
        CACHE.mkdir(parents=True, exist_ok=True)
        self.scratch = Path(
            self._held.enter_context(tempfile.TemporaryDirectory(dir=CACHE, prefix="run-"))
        )
        self._engine: Engine | None = None
        self._settling = ExitStack()
        self._count = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exc: object) -> None:
        self.settle()
        self._held.close()

    def folder(self) -> Path:
        """A new, empty folder."""
        self._count += 1
        path = self.scratch / f"{self._count:04d}"
        path.mkdir()
        return path

    def engine(self) -> Engine:
        """A Docker Engine of our own, until `settle`. Raises MissingError."""
        if self._engine is None:
            from tests.support.engine import (  # noqa: PLC0415
                Engine,
                EngineError,
            )

            try:
                engine = Engine(self.folder())
                engine.__enter__()
            except EngineError as exc:
                raise MissingError(str(exc)) from exc
            for pid in engine.pids():
                priority.also(pid)
            self._engine = engine
        return self._engine

    def on_settle(self, stop: Callable[[], None]) -> None:
        """Have something stopped when the case is over."""
        self._settling.callback(stop)

    def settle(self) -> None:
        """A case is over: stop what was started for it."""
        self._settling.close()
        if self._engine is not None:
            self._engine.stop()
            self._engine = None

    def cached(self, name: str, make: Callable[[Path], None]) -> Path:
        """An input that is made once.

        ``make`` is given the path to write; what it leaves unfinished is not kept.
        """
        path = CACHE / name
        if not path.exists():
            print(f"making {name}", file=sys.stderr)
            part = self.scratch / f"{name}.part"
            make(part)
            part.rename(path)
        return path


@cache
def storectl() -> str:
    """Our own command.

    The one of the environment that runs the bench, with its bytecode beside it, as pip leaves it.

    Where Python may not write bytecode (PYTHONDONTWRITEBYTECODE), each run would compile every
    module anew: nobody who installed storectl waits for that.
    """
    for name in _PACKAGES:
        spec = importlib.util.find_spec(name)
        for folder in (spec.submodule_search_locations if spec is not None else None) or ():
            compileall.compile_dir(folder, quiet=1)
    return str(Path(sys.executable).with_name("storectl"))


def program(name: str, *, newest: bool = False) -> str:
    """The path of a peer; ``newest`` for the one that was built, not Debian's.

    Raises MissingError.
    """
    found = (
        str(PEERS / name)
        if newest and (PEERS / name).is_file()
        else None
        if newest
        else shutil.which(name, path=f"{os.environ['PATH']}:/usr/sbin:/sbin")
    )
    if found is None:
        raise MissingError(
            f"{name} was not built (scripts/build_peers.sh)"
            if newest
            else f"{name} is not installed"
        )
    return found


def version(*command: str) -> str:
    """The first line that a program says of its version."""
    return (
        subprocess.run(command, check=True, capture_output=True, text=True)
        .stdout.partition("\n")[0]
        .strip()
    )


def warm(path: Path) -> None:
    """Read a file, so that everybody finds it in the page cache."""
    if path.is_dir():
        for entry in sorted(path.rglob("*")):
            if entry.is_file() and not entry.is_symlink():
                warm(entry)
        return
    with path.open("rb", buffering=0) as file:
        buffer = bytearray(_READ_BYTES)
        while file.readinto(buffer):
            pass


def sync() -> None:
    """Have everything written out that earlier runs left to be written."""
    os.sync()
