"""Power cuts: the states that a cut may leave after each call of an operation, and their checks.

The states are built from a record of the calls (`crash_states`), and not by cutting the power of a
machine. `mounted_cuts` does the same below real file systems.
"""

from __future__ import annotations

import os
import random
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from tests.reliability.children import Ended, in_child
from tests.reliability.crash_states import CHOICES, Choice, Disk, Event, after_a_cut, read_record
from tests.reliability.fault_layer import Action
from tests.reliability.matrix import Workbench, shortened

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from tests.reliability.operation import Operation, Place

DONE = "done"
"""The mark that the operation has reported success."""


@dataclass
class CutFigures:
    """What was tried for one operation, and what did not survive.

    Attributes:
        calls: The calls of the operation that were recorded.
        cuts: The number of states that were built and checked.
        acknowledged: The number of states after the operation had reported success.
        failures: A description of each state in which an invariant did not hold.
    """

    calls: int = 0
    cuts: int = 0
    acknowledged: int = 0
    failures: list[str] = field(default_factory=list)


def record(bench: Workbench, place: Place, target: Path) -> list[Event]:
    """Run the operation of ``bench`` and return its calls and acknowledgements."""

    def work(tell: Callable[[str], None]) -> int:
        layer = bench.layer
        layer.scope([place.root, place.out])
        layer.record(os.open(target, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600))
        layer.arm(Action.COUNT)

        def tell_both(line: str) -> None:
            layer.mark(line)
            tell(line)

        code = bench.operation.run(place, tell_both)
        if code == 0:
            layer.mark(DONE)
        layer.disarm()
        return code

    ended = in_child(work, bench.folder / "output")
    assert ended.code == 0, ended.said
    return read_record(target)


def cut_points(name: str, count: int, limit: int | None) -> list[tuple[int, Choice]]:
    """Return after how many of ``count`` events to cut, and what is kept.

    Args:
        name: The name of the operation; of equal names, equal points are chosen.
        count: The number of events.
        limit: The most points; None for all. A cut after the last event is always among them.
    """
    possible = [(cut, choice) for cut in range(count + 1) for choice in CHOICES]
    if limit is None or limit >= len(possible):
        return possible
    found = random.Random(name).sample(range(len(possible) - len(CHOICES)), limit - 1)
    return [possible[one] for one in sorted(found)] + [(count, CHOICES[0])]


def try_operation(operation: Operation, folder: Path, limit: int | None) -> CutFigures:
    """Cut the power at every call of an operation, or at some of the calls.

    Args:
        operation: The operation.
        folder: A folder that `matrix.prepare_folder` has filled.
        limit: The most states to build; None for all.
    """
    bench = Workbench(folder, operation)
    place = bench.fresh()
    start = Disk.of([place.root, place.out])
    events = record(bench, place, folder / "record")
    figures = CutFigures(calls=sum(event.kind != "A" for event in events))
    chance = random.Random(operation.name)
    for cut, choice in cut_points(operation.name, len(events), limit):
        _try_cut(bench, place, (start, events[:cut]), choice, chance, figures)
    return figures


def _try_cut(
    bench: Workbench,
    place: Place,
    history: tuple[Disk, Sequence[Event]],
    choice: Choice,
    chance: random.Random,
    figures: CutFigures,
) -> None:
    start, events = history
    marks = [event.path for event in events if event.kind == "A"]
    acknowledged = DONE in marks
    figures.cuts += 1
    figures.acknowledged += acknowledged
    after_a_cut(start, events, choice, chance).write([place.root, place.out])
    told = tuple(mark for mark in marks if mark != DONE)
    try:
        bench.check(place, Ended(0, None, told, ""), acknowledged=acknowledged, was_cut=True)
    except AssertionError as exc:
        last = next((one for one in reversed(events) if one.kind != "A"), None)
        where = "" if last is None else f" ({last.kind} {last.path})"
        figures.failures.append(
            f"{bench.operation.name}: cut after {len(events)} events{where}, bytes"
            f" {choice.data.value}, names {choice.names.value}: {shortened(str(exc))}"
        )
