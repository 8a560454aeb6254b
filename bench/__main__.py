"""``python -m bench``: measure cases, store the results, and compare them with the targets."""

from __future__ import annotations

import argparse
import fnmatch
import math
import subprocess
import sys
import time
import traceback
from pathlib import Path
from typing import TYPE_CHECKING, Final

from bench import runner
from bench.cases import CASES
from bench.measuring import machine, pacing, priority
from bench.reporting import gate, report, results, terminal
from bench.workshop import Workshop

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bench.model import Case
    from bench.reporting.results import Results

ROOT: Final = Path(__file__).parent.parent
FULL: Final = ROOT / "docs" / "benchmarks"
QUICK: Final = ROOT / "build" / "bench-quick"
"""The results of quick runs, which measure smaller inputs than full runs."""

BASELINE: Final = Path(__file__).with_name("baseline.json")
_QUICK_ROUNDS: Final = 2
_QUICK_S: Final = 140
"""A quick run starts no case after this time, in seconds, so that it ends within three minutes."""


def main() -> int:
    """Run the command line.

    Returns:
        The exit code: 1 if a case failed or a ratio became worse, 2 if no case has a given name.
    """
    arguments = _arguments()
    chosen = [
        case
        for case in CASES
        if any(fnmatch.fnmatch(case.name, pattern) for pattern in arguments.only or ["*"])
    ]
    if arguments.list:
        for case in chosen:
            print(f"{case.name:24} {case.title}")
        return 0
    if not chosen:
        print(
            f"unknown case {' or '.join(arguments.only)}; the cases are:"
            f" {' '.join(case.name for case in CASES)}",
            file=sys.stderr,
        )
        return 2
    folder = QUICK if arguments.quick else FULL
    found = results.load(folder / "results.json")
    if arguments.gate or arguments.accept:
        return _gate(chosen, found, accept=arguments.accept)
    failed: list[str] = []
    if not arguments.report:
        failed = _measure(
            [case for case in chosen if case.quick or not arguments.quick],
            folder / "results.json",
            found,
            arguments,
        )
    terminal.show(chosen, found)
    _write(folder, found)
    for name in failed:
        print(
            f"{name} failed; the report shows its results of an earlier run, if there are any",
            file=sys.stderr,
        )
    return 1 if failed else 0


def _measure(
    cases: Sequence[Case], path: Path, found: Results, arguments: argparse.Namespace
) -> list[str]:
    """Measure the cases, store each result at once, and return the names of failed cases.

    A failed case does not end the run, because a full run takes half an hour.
    """
    failed = []
    with (
        priority.first() as served,
        pacing.none() as unpaced,
        Workshop(quick=arguments.quick) as shop,
    ):
        if not served:
            print(
                "note: other processes on this machine have the same priority as the benchmark,"
                " so the figures will vary more",
                file=sys.stderr,
            )
        if not unpaced:
            print(
                "note: TCP on this machine paces packets even on the loopback interface, so the"
                " figures of servers will vary more",
                file=sys.stderr,
            )
        until_s = time.monotonic() + _QUICK_S if arguments.quick else math.inf
        for case in cases:
            if time.monotonic() > until_s:
                print(f"note: skipped {case.name}: the quick run is out of time", file=sys.stderr)
                continue
            try:
                found.cases[case.name] = runner.run(
                    case,
                    shop,
                    arguments.rounds or (_QUICK_ROUNDS if arguments.quick else case.rounds),
                    until_s,
                )
            except (subprocess.SubprocessError, OSError, ValueError):
                traceback.print_exc()
                failed.append(case.name)
                continue
            found.machine = machine.describe()
            # Store after each case, because the next case may fail. Read the file again first,
            # because another run may have changed it.
            found.cases = {**results.load(path).cases, case.name: found.cases[case.name]}
            results.store(path, found)
    return failed


def _write(folder: Path, found: Results) -> None:
    try:
        from bench.reporting import charts  # noqa: PLC0415 - only the bench group installs matplotlib
    except ImportError:
        print(
            "note: no charts are drawn: matplotlib is not installed (`make bench` installs it)",
            file=sys.stderr,
        )
        names = sorted(path.name for path in folder.glob("*.svg"))
    else:
        names = charts.draw(CASES, found, folder)
    (folder / "README.md").write_text(report.render(CASES, found, names), encoding="utf-8")


def _gate(cases: Sequence[Case], found: Results, *, accept: bool) -> int:
    measured = gate.ratios(cases, found)
    if accept:
        gate.accept(BASELINE, measured)
        return 0
    regressions = gate.regressions(cases, gate.load(BASELINE), measured)
    for regression in regressions:
        print(
            f"{regression.key}: measured {regression.measured:.2f},"
            f" accepted {regression.accepted:.2f} ({regression.worse_by:.0%} worse)"
        )
    return 1 if regressions else 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m bench",
        description="Compare storectl with other programs and with the limits of the machine.",
    )
    parser.add_argument(
        "--only",
        nargs="*",
        metavar="CASE",
        help="names or patterns of the cases to measure; keep the results of other cases",
    )
    parser.add_argument(
        "--quick", action="store_true", help="small inputs and few rounds: at most three minutes"
    )
    parser.add_argument(
        "--rounds", type=int, help="the number of rounds, instead of the default of each case"
    )
    parser.add_argument(
        "--report",
        action="store_true",
        help="measure nothing: show the results and rewrite the report",
    )
    parser.add_argument(
        "--gate",
        action="store_true",
        help="measure nothing: fail if a ratio is worse than in baseline.json",
    )
    parser.add_argument(
        "--accept",
        action="store_true",
        help="measure nothing: write the measured ratios to baseline.json",
    )
    parser.add_argument("--list", action="store_true", help="list the cases and exit")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
