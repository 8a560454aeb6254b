"""Fuzz every parser: ``python -m tests.fuzz [--seconds N] [--jobs N] [TARGET…]`` (`make fuzz`).

The program prints one line for each target: executions, coverage, corpus, peak memory. A finding
ends the run of its target, and the exit code is 1. The input of the finding stays in the output
folder. Copy it to ``tests/fuzz/findings/TARGET/``: `test_targets.py` checks it from then on.
"""

from __future__ import annotations

import argparse
import re
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Final, final

HERE: Final = Path(__file__).parent
ROOT: Final = HERE.parents[1]
TARGETS: Final = tuple(sorted(path.stem for path in (HERE / "targets").glob("*.py")))
START_S: Final = 600
"""Seconds that a target may run beyond its time.

A target needs these seconds to import and instrument the code, and to finish its last input.
"""

_STATE: Final = re.compile(
    r"^#[0-9]+\s+\w+\s+cov: (?P<cov>[0-9]+) ft: (?P<ft>[0-9]+) corp: (?P<corpus>[0-9]+)/",
    re.MULTILINE,
)
_STAT: Final = re.compile(r"^stat::(?P<name>\w+):\s+(?P<value>[0-9]+)", re.MULTILINE)


@final
@dataclass(frozen=True, slots=True)
class Outcome:
    """The result of one run of a target."""

    target: str
    passed: bool
    line: str


def run(target: str, seconds: int, folder: Path) -> Outcome:
    """Fuzz one target in a process of its own.

    Args:
        target: The name of a module in `tests.fuzz.targets`.
        seconds: Fuzzing time, without the time to start.
        folder: Receives the corpus, the log and the findings.
    """
    folder.mkdir(parents=True, exist_ok=True)
    command = [sys.executable, "-m", "tests.fuzz.engine", target, str(seconds), str(folder)]
    log = folder / "log"
    with log.open("w", encoding="utf-8") as file:
        ended = subprocess.run(
            command,
            cwd=ROOT,
            stdout=file,
            stderr=subprocess.STDOUT,
            check=False,
            timeout=seconds + START_S,
        )
    text = log.read_text(encoding="utf-8", errors="replace")
    stats = {found["name"]: found["value"] for found in _STAT.finditer(text)}
    states = list(_STATE.finditer(text))
    reached = (
        f"coverage {states[-1]['cov']}, features {states[-1]['ft']}, corpus {states[-1]['corpus']}"
        if states
        else "no coverage"
    )
    known = (
        f"{stats.get('number_of_executed_units', '?'):>10} executions, {reached},"
        f" {stats.get('peak_rss_mb', '?')} MiB"
    )
    verdict = (
        "nothing found"
        if ended.returncode == 0
        else f"FOUND SOMETHING (exit {ended.returncode}): {log}"
    )
    return Outcome(target, ended.returncode == 0, f"{target:16} {known}: {verdict}")


def main() -> int:
    """Fuzz the targets that the command line names; return the exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.fuzz",
        description=__doc__.split("\n", maxsplit=1)[0] if __doc__ else None,
    )
    parser.add_argument(
        "targets",
        nargs="*",
        choices=[*TARGETS, []],
        metavar="TARGET",
        help=f"one of: {', '.join(TARGETS)} [default: all]",
    )
    parser.add_argument(
        "--seconds", type=int, default=20, help="seconds for each target [default: 20]"
    )
    parser.add_argument(
        "--jobs", type=int, default=2, help="targets that run at the same time [default: 2]"
    )
    parser.add_argument(
        "--folder",
        type=Path,
        default=ROOT / ".fuzz",
        help="folder for corpora and findings [default: .fuzz]",
    )
    arguments = parser.parse_args()
    try:
        # Import atheris here, so that a missing package gives one message and not a traceback per
        # target.
        import atheris  # noqa: F401
    except ImportError:
        print(
            "cannot fuzz: atheris is not installed\nhint: use Python 3.11, 3.12 or 3.13 on Linux"
            " x86-64, for which atheris has wheels",
            file=sys.stderr,
        )
        return 2
    passed = True
    with ThreadPoolExecutor(arguments.jobs) as pool:
        for outcome in pool.map(
            lambda target: run(target, arguments.seconds, arguments.folder / target),
            arguments.targets or TARGETS,
        ):
            print(outcome.line, flush=True)
            passed = passed and outcome.passed
    return 0 if passed else 1


if __name__ == "__main__":
    sys.exit(main())
