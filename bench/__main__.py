"""``python -m bench``: measure cases, keep the results, show them beside the targets."""

from __future__ import annotations

import argparse
import fnmatch
import sys
from pathlib import Path
from typing import Final

from bench import machine, results, runner, terminal
from bench.cases import CASES
from bench.workshop import Workshop

ROOT: Final = Path(__file__).parent.parent
FULL: Final = ROOT / "docs" / "benchmarks"
QUICK: Final = ROOT / "build" / "bench-quick"
"""Quick runs measure smaller inputs: their results never stand beside those of full runs."""

_QUICK_ROUNDS: Final = 2


def main() -> int:
    """Run what the arguments say; the exit code."""
    arguments = _arguments()
    chosen = [case for case in CASES if any(fnmatch.fnmatch(case.name, pattern) for pattern in arguments.only or ["*"])]
    if arguments.list:
        for case in chosen:
            print(f"{case.name:24} {case.title}")
        return 0
    if not chosen:
        print(f"no case is called {' or '.join(arguments.only)}; there are: {' '.join(case.name for case in CASES)}", file=sys.stderr)
        return 2
    path = (QUICK if arguments.quick else FULL) / "results.json"
    found = results.load(path)
    if not arguments.report:
        with Workshop(quick=arguments.quick) as shop:
            for case in chosen:
                if arguments.quick and not case.quick:
                    continue
                found.cases[case.name] = runner.run(case, shop, arguments.rounds or (_QUICK_ROUNDS if arguments.quick else case.rounds))
                found.machine = machine.describe()
                results.store(path, found)
    terminal.show(chosen, found)
    return 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench", description="Measure storectl beside other programs and beside what the machine can do.")
    parser.add_argument("--only", nargs="*", metavar="CASE", help="names or patterns of cases; their results are put beside those that are there")
    parser.add_argument("--quick", action="store_true", help="small inputs, few rounds: within three minutes")
    parser.add_argument("--rounds", type=int, help="how many rounds, instead of what each case says")
    parser.add_argument("--report", action="store_true", help="measure nothing: show again, and write again, what was measured")
    parser.add_argument("--list", action="store_true", help="only say which cases there are")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
