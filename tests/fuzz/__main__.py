"""Fuzz every parser: ``python -m tests.fuzz [--seconds N] [--jobs N] [TARGET…]`` (`make fuzz`).

Prints one line for each target: executions, coverage, corpus, peak memory. A finding ends its
target, is left in the folder with the output, and makes the exit code 1. What was found belongs
into ``tests/fuzz/findings/TARGET/``, where `test_targets.py` keeps checking it."""

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
"""What a target may take beyond its time: to import and instrument everything, and to finish its last input."""

_STATE: Final = re.compile(
    r"^#[0-9]+\s+\w+\s+cov: (?P<cov>[0-9]+) ft: (?P<ft>[0-9]+) corp: (?P<corpus>[0-9]+)/",
    re.MULTILINE,
)
_STAT: Final = re.compile(r"^stat::(?P<name>\w+):\s+(?P<value>[0-9]+)", re.MULTILINE)


@final
@dataclass(frozen=True, slots=True)
class Outcome:
    """What one run of a target came to."""

    target: str
    passed: bool
    line: str


def run(target: str, seconds: int, folder: Path) -> Outcome:
    """Fuzz one target for a time."""
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
    """Run what was asked for; 1 when anything was found."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.fuzz",
        description=__doc__.split("\n", maxsplit=1)[0] if __doc__ else None,
    )
    parser.add_argument(
        "targets",
        nargs="*",
        choices=[*TARGETS, []],
        metavar="TARGET",
        help=f"one of: {', '.join(TARGETS)}; all of them by default",
    )
    parser.add_argument("--seconds", type=int, default=20, help="how long each runs [default: 20]")
    parser.add_argument("--jobs", type=int, default=2, help="how many run at once [default: 2]")
    parser.add_argument(
        "--folder",
        type=Path,
        default=ROOT / ".fuzz",
        help="where corpora and findings are kept between runs [default: .fuzz]",
    )
    arguments = parser.parse_args()
    try:
        import atheris  # noqa: F401 - asked here, so that its absence is one sentence and not one traceback for each target
    except ImportError:
        print(
            "fuzzing needs atheris, which has wheels for Python 3.11 to 3.13 on Linux x86-64: use"
            " one of these",
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
