"""The surroundings of a run: the cache of inputs, a scratch folder, programs, a Docker Engine."""

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
"""The folder of the programs that scripts/build_peers.sh builds."""

_READ_BYTES: Final = 1 << 22
_PACKAGES: Final = ("storectl", "mirror", "exporter", "store", "migrations")


class Workshop:
    """The surroundings of one run; closing it removes everything except the cache."""

    def __init__(self, *, quick: bool) -> None:
        """Make the scratch folder.

        Args:
            quick: Whether inputs are small and cases have few rounds.
        """
        self.quick = quick
        self._held = ExitStack()
        # In the cache: copies and renames between the two stay on one file system.
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
        """Make a new, empty folder, and return its path."""
        self._count += 1
        path = self.scratch / f"{self._count:04d}"
        path.mkdir()
        return path

    def engine(self) -> Engine:
        """Return the run's own Docker Engine, started when first asked for and stopped by `settle`.

        Raises:
            MissingError: The engine cannot be started.
        """
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
        """Register a function that `settle` calls at the end of the case."""
        self._settling.callback(stop)

    def settle(self) -> None:
        """Stop everything that was started for a case."""
        self._settling.close()
        if self._engine is not None:
            self._engine.stop()
            self._engine = None

    def cached(self, name: str, make: Callable[[Path], None]) -> Path:
        """Return the path of an input, and make it if the cache lacks it.

        Args:
            name: The name in the cache.
            make: Writes the input to the path it is called with; if it raises, nothing is kept.
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
    """Return the path of the storectl command beside the running Python.

    The modules are compiled first, as pip compiles installed ones. Otherwise each run would compile
    every module again where Python may not write bytecode (PYTHONDONTWRITEBYTECODE).
    """
    for name in _PACKAGES:
        spec = importlib.util.find_spec(name)
        for folder in (spec.submodule_search_locations if spec is not None else None) or ():
            compileall.compile_dir(folder, quiet=1)
    return str(Path(sys.executable).with_name("storectl"))


def program(name: str, *, newest: bool = False) -> str:
    """Return the path of another program.

    Args:
        name: The program's name.
        newest: Whether to take the one that scripts/build_peers.sh built instead of Debian's.

    Raises:
        MissingError: The program is not installed or was not built.
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
    """Return the first line that ``command`` prints."""
    return (
        subprocess.run(command, check=True, capture_output=True, text=True)
        .stdout.partition("\n")[0]
        .strip()
    )


def warm(path: Path) -> None:
    """Read a file, or all files of a folder, into the page cache."""
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
    """Write all dirty pages of earlier runs to disk."""
    os.sync()
