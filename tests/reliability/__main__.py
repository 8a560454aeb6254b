"""Run the reliability tests in their long form: ``python -m tests.reliability --help``."""

from __future__ import annotations

import argparse
import contextlib
import json
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tests.reliability import campaign, report
from tests.reliability.fault_layer import CompilerMissingError
from tests.reliability.operations import OPERATIONS

if TYPE_CHECKING:
    from collections.abc import Callable

NAMES = tuple(one.name for one in OPERATIONS)
PARTS = ("matrix", "cuts", "mounted", "soak", "planted", "drills")


def main() -> int:
    """Do the chosen parts, write the figures, and return 1 if something did not survive."""
    options = _options()
    size = campaign.QUICK if options.quick else campaign.FULL
    if options.points is not None:
        size = replace(size, points=options.points or None)
    if options.cuts is not None:
        size = replace(size, cuts=options.cuts or None)
    if options.soak is not None:
        size = replace(size, soak_s=options.soak)
    if options.mounted is not None:
        size = replace(size, mounted=options.mounted)
    works: dict[str, Callable[[], Any]] = {
        "matrix": lambda: campaign.behind_faults("matrix", size.points, NAMES),
        "cuts": lambda: campaign.behind_faults("cuts", size.cuts, NAMES),
        "mounted": lambda: campaign.mounted(size.mounted),
        "soak": lambda: campaign.soak(size.soak_s),
        "planted": lambda: campaign.long_tests("planted", str(size.planted)),
        "drills": lambda: campaign.long_tests("drills", "quick" if options.quick else "full"),
    }
    run: dict[str, Any] = {"machine": campaign.machine(), "quick": options.quick}
    for part in options.only or PARTS:
        with contextlib.suppress(CompilerMissingError):
            run[part] = works[part]()
        options.out.parent.mkdir(parents=True, exist_ok=True)
        options.out.write_text(json.dumps(run, indent=1) + "\n", encoding="utf-8")
    if options.document is not None:
        report.into_document(options.document, run)
    lost = report.failures(run)
    for text in lost:
        sys.stderr.write(f"{text}\n")
    return 1 if lost else 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.reliability", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="try a small part of everything")
    parser.add_argument("--only", action="append", choices=PARTS, help="do this part (repeatable)")
    parser.add_argument("--points", type=int, help="faults for each operation; 0 for all")
    parser.add_argument("--cuts", type=int, help="power cuts for each operation; 0 for all")
    parser.add_argument("--mounted", type=int, help="power cuts for each file system")
    parser.add_argument("--soak", type=float, metavar="SECONDS", help="how long to soak")
    parser.add_argument(
        "--out", type=Path, default=Path("build/reliability.json"), help="file for the figures"
    )
    parser.add_argument("--document", type=Path, help="Markdown document to write them into")
    return parser.parse_args()


if __name__ == "__main__":
    raise SystemExit(main())
