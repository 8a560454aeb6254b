"""``python -m bench``: measure cases, keep the results, show them beside the targets."""

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

from bench import gate, machine, pacing, priority, report, results, runner, terminal
from bench.cases import CASES
from bench.workshop import Workshop

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bench.model import Case
    from bench.results import Results

ROOT: Final = Path(__file__).parent.parent
FULL: Final = ROOT / "docs" / "benchmarks"
QUICK: Final = ROOT / "build" / "bench-quick"
"""Quick runs measure smaller inputs: their results never stand beside those of full runs."""

BASELINE: Final = Path(__file__).with_name("baseline.json")
_QUICK_ROUNDS: Final = 2
_QUICK_S: Final = 140
"""After so many seconds a quick run begins with nothing new, so that it ends within three minutes."""


def main() -> int:
    """Run what the arguments say.

    The exit code: 1 when a case failed or the gate is shut, 2 for a case that does not exist.
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
            f"no case is called {' or '.join(arguments.only)}; there are:"
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
            f"{name} failed: what is shown of it, if anything, is of an earlier run",
            file=sys.stderr,
        )
    return 1 if failed else 0


def _measure(
    cases: Sequence[Case], path: Path, found: Results, arguments: argparse.Namespace
) -> list[str]:
    """Measure the cases, each result kept as soon as it is there.

    Returns the names of those that failed: half an hour is not lost for one of them.
    """
    failed = []
    with (
        priority.first() as served,
        pacing.none() as unpaced,
        Workshop(quick=arguments.quick) as shop,
    ):
        if not served:
            print(
                "note: whatever else runs on this machine is served as well as the benchmark is;"
                " the figures will spread",
                file=sys.stderr,
            )
        if not unpaced:
            print(
                "note: this machine paces what TCP sends, also to itself; the figures of servers"
                " will spread",
                file=sys.stderr,
            )
        until_s = time.monotonic() + _QUICK_S if arguments.quick else math.inf
        for case in cases:
            if time.monotonic() > until_s:
                print(
                    f"note: the time of a quick run is up: {case.name} is left out", file=sys.stderr
                )
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
            # After each case: what was measured is kept, whatever happens to the next one. Beside
            # what another run may have put there meanwhile.
            found.cases = {**results.load(path).cases, case.name: found.cases[case.name]}
            results.store(path, found)
    return failed


def _write(folder: Path, found: Results) -> None:
    try:
        from bench import charts  # noqa: PLC0415 - matplotlib is asked for by the bench alone
    except ImportError:
        print(
            "note: no charts are drawn, matplotlib is not installed (`make bench` does it)",
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
            f"{regression.key}: {regression.measured:.2f}, accepted was {regression.accepted:.2f}"
            f" ({regression.worse_by:.0%} worse)"
        )
    return 1 if regressions else 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m bench",
        description="Measure storectl beside other programs and beside what the machine can do.",
    )
    parser.add_argument(
        "--only",
        nargs="*",
        metavar="CASE",
        help="names or patterns of cases; their results are put beside those that are there",
    )
    parser.add_argument(
        "--quick", action="store_true", help="small inputs, few rounds: within three minutes"
    )
    parser.add_argument(
        "--rounds", type=int, help="how many rounds, instead of what each case says"
    )
    parser.add_argument(
        "--report",
        action="store_true",
        help="measure nothing: show again, and write again, what was measured",
    )
    parser.add_argument(
        "--gate",
        action="store_true",
        help="measure nothing: fail when a ratio is worse than in baseline.json",
    )
    parser.add_argument(
        "--accept",
        action="store_true",
        help="measure nothing: what was measured becomes baseline.json",
    )
    parser.add_argument("--list", action="store_true", help="only say which cases there are")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
