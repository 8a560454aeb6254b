"""A whole run: the matrix, power cuts, mounted power cuts, the soak, planted bits and drills."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, final

from tests.reliability import mounted_cuts
from tests.reliability.fault_layer import ROOT, program
from tests.reliability.soak import Soak

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

MEMORY: Final = Path("/dev/shm")  # noqa: S108 - a file system in memory, not a known name
_TESTS: Final = {
    "planted": ("STORECTL_PLANTED", "planted"),
    "drills": ("STORECTL_DRILLS", "drill"),
}
"""For each part that tests do: the variable that makes them long, and a word in their files."""


_FIGURES: Final = "figures: "
"""How a line begins in which a test tells its figures."""


@final
@dataclass(frozen=True, slots=True)
class Size:
    """How much a run tries.

    Attributes:
        points: The most faults for each operation; None for all.
        cuts: The most power cuts for each operation; None for all.
        mounted: The power cuts for each real file system.
        soak_s: How long the soak works, in seconds.
        planted: The bits and pages to plant.
    """

    points: int | None
    cuts: int | None
    mounted: int
    soak_s: float
    planted: int


FULL: Final = Size(points=None, cuts=None, mounted=100, soak_s=3600, planted=500)
QUICK: Final = Size(points=2, cuts=3, mounted=2, soak_s=15, planted=40)


def memory() -> Path:
    """Return a folder in memory, or the folder for temporary files if there is none."""
    return MEMORY if os.access(MEMORY, os.W_OK) else Path(tempfile.gettempdir())


def behind_faults(
    part: str,
    limit: int | None,
    names: Sequence[str],
    report: Callable[[str], None] = print,
    *,
    parallel: int = 2,
) -> list[dict[str, Any]]:
    """Do a part of `worker` for some operations, in processes behind the fault layer.

    Args:
        part: A name in `worker.PARTS`.
        limit: The most points of each operation; None for all.
        names: The names of the operations.
        report: Receives a line for each operation.
        parallel: The number of processes.

    Raises:
        RuntimeError: A worker has failed.
        CompilerMissingError: There is no C compiler.
    """
    shares = [names[one::parallel] for one in range(min(parallel, len(names)))]

    def work(share: Sequence[str]) -> list[dict[str, Any]]:
        command, environment = program(
            "-m", "tests.reliability.worker", part, str(memory()), str(limit or 0), *share
        )
        found = []
        with subprocess.Popen(
            command,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            cwd=ROOT,
            env=environment,
        ) as process:
            assert process.stdout is not None
            assert process.stderr is not None
            for line in process.stdout:
                found.append(json.loads(line))
                report(_line(found[-1]))
            said = process.stderr.read()
        if process.returncode != 0:
            raise RuntimeError(f"a worker of {part} has failed: {said[-3000:]}")
        return found

    with ThreadPoolExecutor(len(shares)) as pool:
        return [one for found in pool.map(work, shares) for one in found]


def _line(found: dict[str, Any]) -> str:
    count = sum(found["tried"].values()) if "tried" in found else found["cuts"]
    return (
        f"{found['part']}: {found['operation']}: {count} tried, {len(found['failures'])} failed,"
        f" {found['seconds']} s"
    )


def soak(seconds: float) -> dict[str, Any]:
    """Soak a store for a time, and return the figures."""
    with tempfile.TemporaryDirectory(dir=memory(), prefix="storectl-") as folder:
        return asdict(Soak(Path(folder), seconds).run())


def mounted(count: int, report: Callable[[str], None] = print) -> dict[str, Any]:
    """Cut the power below real file systems, and return the figures of each."""
    return {name: asdict(found) for name, found in mounted_cuts.run(count, report).items()}


def long_tests(part: str, amount: str) -> dict[str, Any]:
    """Run the tests that do a part of the run, in their long form.

    Args:
        part: A name in `_TESTS`.
        amount: The value of their variable.
    """
    variable, word = _TESTS[part]
    files = [
        str(path.relative_to(ROOT))
        for path in sorted((ROOT / "tests").rglob("test_*.py"))
        if word in path.name or variable in path.read_text()
    ]
    if not files:
        return {"files": [], "code": None}
    began = time.monotonic()
    done = subprocess.run(
        [
            *(sys.executable, "-m", "pytest", "-q", "-rP", "-p", "no:cacheprovider"),
            *("--timeout", "0", *files),
        ],
        cwd=ROOT,
        env={**os.environ, variable: amount},
        capture_output=True,
        text=True,
        check=False,
    )
    return {
        "files": files,
        "code": done.returncode,
        "seconds": round(time.monotonic() - began, 1),
        "summary": done.stdout.strip().splitlines()[-1:],
        "figures": [line for line in done.stdout.splitlines() if line.startswith(_FIGURES)],
        "said": done.stdout[-3000:] if done.returncode else "",
    }


def machine() -> dict[str, Any]:
    """Return what the figures depend on: the commit, the version of Python and the day."""
    git = shutil.which("git")
    commit = (
        subprocess.run(
            [git, "rev-parse", "--short", "HEAD"],
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=False,
        ).stdout.strip()
        if git
        else ""
    )
    return {
        "commit": commit,
        "python": sys.version.split()[0],
        "date": time.strftime("%Y-%m-%d"),
    }
