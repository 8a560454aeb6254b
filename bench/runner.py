"""The runner of cases: each round runs every contestant once, in a different order."""

from __future__ import annotations

import math
import subprocess
import sys
import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from bench.missing import MissingError
from bench.reporting.results import CaseResult

if TYPE_CHECKING:
    from bench.model import Case, Contestant, Sample
    from bench.workshop import Workshop


def run(case: Case, shop: Workshop, rounds: int, until_s: float = math.inf) -> CaseResult:
    """Measure one case.

    Args:
        case: The case to measure.
        shop: The surroundings of the run.
        rounds: The largest number of rounds.
        until_s: The time (`time.monotonic`) after which no further round is started; the first
            round is always run.

    Returns:
        The results; contestants whose programs are missing are listed in ``missing``.

    Raises:
        CalledProcessError: A program failed.
        OSError: A program or an input cannot be used.
        RuntimeError: A server refused a request.
    """
    contestants = list(case.contestants(shop))
    result = CaseResult(
        case.title,
        [contestant.name for contestant in contestants],
        input_bytes=case.input_bytes(shop) if case.input_bytes else 0,
        measured_at=datetime.now(UTC).strftime("%Y-%m-%d"),
        revision=_revision(),
    )
    try:
        for turn in range(rounds):
            if turn and time.monotonic() > until_s:
                break
            samples: dict[str, Sample] = {}
            for contestant in rotated(contestants, turn):
                if contestant.name not in result.missing:
                    try:
                        samples[contestant.name] = _once(contestant)
                    except MissingError as exc:
                        result.missing[contestant.name] = str(exc)
            result.rounds.append(samples)
            print(
                f"{case.name}: round {turn + 1}: "
                + ", ".join(f"{name} {sample.wall_s:.2f} s" for name, sample in samples.items()),
                file=sys.stderr,
            )
    finally:
        shop.settle()
    return result


def rotated(contestants: list[Contestant], turn: int) -> list[Contestant]:
    """Return the contestants in the order of round ``turn``: rotated by ``turn`` places."""
    first = turn % len(contestants)
    return contestants[first:] + contestants[:first]


def _once(contestant: Contestant) -> Sample:
    try:
        contestant.prepare()
        return contestant.run()
    except subprocess.CalledProcessError as exc:
        print(f"{contestant.name} failed: {exc.stderr}", file=sys.stderr)
        raise
    finally:
        contestant.clean()


def _revision() -> str:
    """Return the current commit, marked ``changed`` if the shipped packages differ from it."""
    commit = subprocess.run(
        ["git", "rev-parse", "--short", "HEAD"], check=False, capture_output=True, text=True
    ).stdout.strip()
    changed = subprocess.run(
        [
            "git",
            "diff",
            "--quiet",
            "HEAD",
            "--",
            "store",
            "exporter",
            "mirror",
            "storectl",
            "migrations",
        ],
        check=False,
    ).returncode
    return f"{commit}, changed" if changed else commit
