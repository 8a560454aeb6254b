"""The surroundings of a run: cached inputs, a scratch folder, programs and a Docker Engine."""

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

from bench.measuring import priority
from bench.missing import MissingError

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.support.engine import Engine

CACHE: Final = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "storectl-bench"
PEERS: Final = CACHE.parent / "storectl-peers"
"""The folder into which scripts/build_peers.sh builds programs."""

_READ_BYTES: Final = 1 << 22
_PACKAGES: Final = ("storectl", "mirror", "remote", "exporter", "store", "migrations")


class Workshop:
    """The surroundings of one run; when the run ends, everything except the cache is removed."""

    def __init__(self, *, quick: bool) -> None:
        """Create the scratch folder.

        Args:
            quick: Whether the run is a quick run, with small inputs.
        """
        self.quick = quick
        self._held = ExitStack()
        # The scratch folder lies in the cache, so that files can be renamed from one to the other.
        CACHE.mkdir(parents=True, exist_ok=True)
        self.scratch = Path(
            self._held.enter_context(tempfile.TemporaryDirectory(dir=CACHE, prefix="run-"))
        )
        self._engines: dict[bool, Engine] = {}
        self._settling = ExitStack()
        self._count = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exc: object) -> None:
        self.settle()
        self._held.close()

    def folder(self) -> Path:
        """Create a new, empty folder, and return its path."""
        self._count += 1
        path = self.scratch / f"{self._count:04d}"
        path.mkdir()
        return path

    def engine(self, *, newest: bool = False) -> Engine:
        """Return the run's own Docker Engine; the first call starts it, and `settle` stops it.

        Args:
            newest: Whether to start Docker 29, with its image store of containerd, instead of
                Debian's Docker 20.10 with overlay2.

        Raises:
            MissingError: The engine cannot be started.
        """
        if newest not in self._engines:
            from tests.support.engine import (  # noqa: PLC0415
                Engine,
                EngineError,
            )

            try:
                engine = (
                    Engine(
                        self.folder(),
                        name="dockerd-29",
                        version="29",
                        drivers=("overlayfs", "native"),
                        options=("--feature=containerd-snapshotter=true",),
                    )
                    if newest
                    else Engine(self.folder())
                )
                engine.__enter__()
            except EngineError as exc:
                raise MissingError(str(exc)) from exc
            for pid in engine.pids():
                priority.also(pid)
            self._engines[newest] = engine
        return self._engines[newest]

    def on_settle(self, stop: Callable[[], None]) -> None:
        """Register a function that `settle` calls at the end of the case."""
        self._settling.callback(stop)

    def settle(self) -> None:
        """Stop everything that was started for a case."""
        self._settling.close()
        while self._engines:
            self._engines.popitem()[1].stop()

    def cached(self, name: str, make: Callable[[Path], None]) -> Path:
        """Return the path of an input in the cache, and create the input if it is missing.

        Args:
            name: The name of the input in the cache.
            make: Called with the path to write the input to. If the call raises, the cache
                stays unchanged.
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
    """Return the path of the storectl command in the environment of the running Python.

    The first call compiles storectl's modules, as pip does when it installs a package. Otherwise
    each run would compile every module again if Python may not write bytecode
    (PYTHONDONTWRITEBYTECODE).
    """
    for name in _PACKAGES:
        spec = importlib.util.find_spec(name)
        for folder in (spec.submodule_search_locations if spec is not None else None) or ():
            compileall.compile_dir(folder, quiet=1)
    return str(Path(sys.executable).with_name("storectl"))


def program(name: str, *, newest: bool = False) -> str:
    """Return the path of another program.

    Args:
        name: The name of the executable file.
        newest: Whether to use the program that scripts/build_peers.sh built, instead of Debian's
            program.

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
    """Return the first line that the command prints, such as its version."""
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
