"""The matrix: each operation, struck at each of its calls by each fault, and what is left.

Run it behind the fault layer (`fault_layer.program`), for example from ``__main__.py``.
"""

from __future__ import annotations

import errno
import json
import random
import shutil
import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, final

from store import Store
from storectl import cli
from tests.reliability.children import Ended, import_modules_of, in_child
from tests.reliability.fault_layer import (
    CHANGES,
    EVERYTHING,
    KILLED,
    TAKES_SPACE,
    Action,
    FaultLayer,
)
from tests.reliability.invariants import (
    Seen,
    collected,
    observe,
    require_readable,
    require_sound,
    require_whole_layout,
    seen_in,
)
from tests.reliability.operation import Operation, Place, nothing
from tests.reliability.operations import OPERATIONS, build

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path


@final
@dataclass(frozen=True, slots=True)
class Fault:
    """What happens at a call.

    Attributes:
        name: The name in the table of figures.
        action: What the fault layer does.
        error: The error of a call that fails.
        kinds: The kinds of calls that can fail so.
    """

    name: str
    action: Action
    error: int = 0
    kinds: str = EVERYTHING


FAULTS: Final = (
    Fault("killed", Action.KILL),
    Fault("killed in a write", Action.TORN, kinds="W"),
    Fault("EIO once", Action.ONCE, errno.EIO),
    Fault("EIO from then on", Action.FROM, errno.EIO),
    Fault("ENOSPC once", Action.ONCE, errno.ENOSPC, TAKES_SPACE + "S"),
    Fault("ENOSPC from then on", Action.FROM, errno.ENOSPC, TAKES_SPACE),
    Fault("EDQUOT from then on", Action.FROM, errno.EDQUOT, TAKES_SPACE),
    Fault("EROFS from then on", Action.FROM, errno.EROFS, CHANGES),
)

CLEAN_CODES: Final = frozenset({0, 3, 5, 7, 8, 9, 10})
"""Exit codes of a command that a fault strikes. 1 would be a bug of the program."""

REFUSED: Final = frozenset({3, 5, 10})
"""Exit codes of a command if there is no store, its catalogue is lost, or a restore goes on."""

BASE: Final = "base.json"
"""A file with the facts of the store that every operation begins with."""


@dataclass
class Figures:
    """What was tried for one operation, and what did not survive.

    Attributes:
        calls: The calls of the operation at which a fault can strike.
        tried: The number of tries of each fault.
        succeeded: The number of tries in which the operation succeeded in spite of the fault.
        failures: A description of each try after which an invariant did not hold.
    """

    calls: int = 0
    tried: dict[str, int] = field(default_factory=dict)
    succeeded: int = 0
    failures: list[str] = field(default_factory=list)

    @property
    def points(self) -> int:
        """The number of tries."""
        return sum(self.tried.values())


class Workbench:
    """The folders for tries of one operation, each a copy of the same store.

    Args:
        folder: A folder for all of them; a file system in memory makes tries fast. It holds the
            store of `prepare_folder`.
        operation: The operation to try.
    """

    def __init__(self, folder: Path, operation: Operation) -> None:
        self.folder = folder
        self.operation = operation
        self.layer = FaultLayer()
        self._template = _place(folder, "template")
        for one in (self._template.root, self._template.out):
            shutil.rmtree(one, ignore_errors=True)
        shutil.copytree(folder / "base", self._template.root)
        self._template.out.mkdir()
        base = frozenset(json.loads((folder / BASE).read_text()))
        if operation.prepare is nothing:
            self.before = Seen(base)
        else:
            self._must(lambda _: operation.prepare(self._template))
            self.before = (
                Seen(frozenset()) if operation.is_healing else self._look(self.fresh().root)
            )
        warm = self.fresh("warm")
        code = operation.run(warm, lambda _: None)
        assert code in {0, 5}, (operation.name, code)
        self.after = observe(warm.root)
        operation.check(warm)
        if operation.is_restoring:
            lost = base - self.after.facts
            assert not lost, f"{operation.name} loses {lost}"
        self.output = _contents(warm.out / operation.output) if operation.output else None
        self.collected = collected(warm.root)
        # A process that forks must have one thread.
        assert threading.active_count() == 1, threading.enumerate()

    def _must(self, work: Callable[[Callable[[str], None]], object]) -> Ended:
        ended = in_child(work, self.folder / "output")
        assert ended.code == 0, ended.said
        return ended

    def _look(self, root: Path) -> Seen:
        if not (root / "store.db").exists():
            return Seen(frozenset())
        found = self._must(lambda _: observe(root)).result
        assert isinstance(found, Seen)
        return found

    def fresh(self, name: str = "root") -> Place:
        """Return a fresh copy of the store and of the folder for output."""
        place = _place(self.folder, name)
        for source, target in ((self._template.root, place.root), (self._template.out, place.out)):
            shutil.rmtree(target, ignore_errors=True)
            if source.exists():
                shutil.copytree(source, target, symlinks=True)
        return place

    def run(self, place: Place, fault: Fault | None, at: int) -> Ended:
        """Run the operation in a child, with a fault at the call ``at``; None only counts calls.

        The result is the exit code, the kinds of the calls, and the call that was struck.
        """

        def work(tell: Callable[[str], None]) -> tuple[int, str, str]:
            self.layer.scope([place.root, place.out])
            if fault is None:
                self.layer.arm(Action.COUNT)
            else:
                self.layer.arm(fault.action, at, fault.error, fault.kinds)
            code = self.operation.run(place, tell)
            found = (code, self.layer.kinds, self.layer.place)
            self.layer.disarm()
            return found

        return in_child(work, self.folder / "output")

    def kinds(self) -> str:
        """Return the kind of each call of the operation."""
        ended = self.run(self.fresh(), None, 0)
        assert ended.code == 0, ended.said
        found: str = ended.result[1]
        return found

    def check(
        self, place: Place, ended: Ended, *, acknowledged: bool, was_cut: bool = False
    ) -> None:
        """Check a store after a fault, repeat the operation, and collect what is left.

        Args:
            place: The store.
            ended: How the operation ended.
            acknowledged: Whether the operation has reported success.
            was_cut: Whether the power was cut: the check of the log must not take that for damage.

        Raises:
            AssertionError: An invariant does not hold.
        """

        def work(_: Callable[[str], None]) -> None:
            if was_cut and not self.operation.is_healing and (place.root / "store.db").exists():
                code = cli.run(["--root", str(place.root), "fsck", "-q"])
                assert code == 0, f"fsck ends with {code} after a power cut"
            self._check(place, ended, acknowledged=acknowledged)

        checked = in_child(work, self.folder / "check")
        assert checked.code == 0, checked.said

    def _check(self, place: Place, ended: Ended, *, acknowledged: bool) -> None:
        operation = self.operation
        there = (place.root / "store.db").exists()
        assert there or not (acknowledged or self.before.facts), "the store is gone"
        if not there and operation.is_restoring:
            code = cli.run(["--root", str(place.root), "images"])
            assert code in REFUSED, f"half a store is listed, exit code {code}"
        if there and (acknowledged or not operation.is_healing):
            with Store.open(place.root) as store:
                seen = seen_in(store)
                self._require_known(seen, acknowledged=acknowledged)
                assert {one for one in ended.told if one.startswith("tag ")} <= seen.facts
                require_readable(store, [one for one in ended.told if one.startswith("blob ")])
                require_sound(store)
        if operation.output:
            self._require_whole_output(place, acknowledged=acknowledged)
        if acknowledged:
            operation.check(place)
        code = operation.run(place, lambda _: None)
        assert code in operation.done_codes, f"the repetition ended with {code}"
        if operation.output:
            assert _contents(place.out / operation.output) == self.output
        operation.check(place)
        kept = collected(place.root).facts
        assert kept == self.collected.facts, f"collected: {kept ^ self.collected.facts}"

    def _require_known(self, seen: Seen, *, acknowledged: bool) -> None:
        before, after = self.before.facts, self.after.facts
        if acknowledged:
            assert seen.facts == after, f"acknowledged, but {seen.facts ^ after}"
        elif self.operation.is_restoring:
            assert seen.facts == after, f"half a store: {seen.facts ^ after}"
        elif self.operation.is_atomic:
            assert seen.facts in (before, after), f"half done: {seen.facts ^ before}"
        else:
            assert before & after <= seen.facts <= before | after, f"{seen.facts ^ before}"

    def _require_whole_output(self, place: Place, *, acknowledged: bool) -> None:
        target = place.out / self.operation.output
        found = _contents(target)
        if acknowledged:
            assert found == self.output, "the output differs"
        elif target.is_file():
            assert found == self.output, "half an archive has its final name"
        else:
            require_whole_layout(found)


def _contents(path: Path) -> dict[str, bytes]:
    """Return the bytes of a file, or of every file of a folder, by name.

    A save that was killed may leave a file with a temporary name, which no reader takes.
    """
    if path.is_file():
        return {"": path.read_bytes()}
    return {
        str(one.relative_to(path)): one.read_bytes()
        for one in path.rglob("*")
        if one.is_file() and not one.name.endswith(".partial")
    }


def prepare_folder(folder: Path) -> None:
    """Make the store that every operation begins with, and load the modules of every try."""
    place = _place(folder, "base")

    def work(_tell: Callable[[str], None]) -> list[str]:
        build(place)
        return sorted(observe(place.root).facts)

    facts = import_modules_of(work, folder / "output").result
    (folder / BASE).write_text(json.dumps(facts))
    spare = folder / "spare"
    shutil.copytree(place.root, spare)
    import_modules_of(lambda _: collected(spare), folder / "output")
    shutil.rmtree(spare)


def _place(folder: Path, name: str) -> Place:
    return Place(folder / name, folder / "archives", folder / f"{name}-out")


def points(name: str, kinds: str, limit: int | None) -> list[tuple[Fault, int]]:
    """Return the faults and the numbers of the calls to strike.

    Args:
        name: The name of the operation; of equal names, equal points are chosen.
        kinds: The kind of each call of the operation.
        limit: The most points; None for all.
    """
    possible = [
        (fault, number)
        for fault in FAULTS
        for number, kind in enumerate(kinds, 1)
        if kind in fault.kinds
    ]
    if limit is None or limit >= len(possible):
        return possible
    chosen = random.Random(name).sample(range(len(possible)), limit)
    return [possible[one] for one in sorted(chosen)]


def strike(bench: Workbench, fault: Fault, at: int, figures: Figures) -> None:
    """Try one fault at one call, and add the result to the figures."""
    figures.tried[fault.name] = figures.tried.get(fault.name, 0) + 1
    place = bench.fresh()
    where = f"{bench.operation.name}: {fault.name} at call {at}"
    try:
        ended = bench.run(place, fault, at)
        if ended.result is not None:
            code, _, struck = ended.result
            where += f" ({struck.replace(str(bench.folder), '')}), exit code {code}"
            assert "Traceback" not in ended.said, ended.said
            assert code in CLEAN_CODES, f"exit code {code}: {ended.said}"
        else:
            code = None
            assert ended.code == KILLED, (ended.code, ended.said)
        figures.succeeded += code == 0
        bench.check(place, ended, acknowledged=code == 0)
    except AssertionError as exc:
        figures.failures.append(f"{where}: {shortened(str(exc))}")


def shortened(text: str) -> str:
    return text if len(text) < 3000 else f"{text[:1000]}\n…\n{text[-2000:]}"


def try_operation(operation: Operation, folder: Path, limit: int | None) -> Figures:
    """Strike an operation with every fault at every call, or at some of these points.

    Args:
        operation: The operation.
        folder: A folder that `prepare_folder` has filled.
        limit: The most points to try; None for all.
    """
    bench = Workbench(folder, operation)
    kinds = bench.kinds()
    figures = Figures(calls=len(kinds))
    for fault, at in points(operation.name, kinds, limit):
        strike(bench, fault, at, figures)
    return figures


def chosen(names: Iterable[str]) -> tuple[Operation, ...]:
    """Return the operations with these names; all without a name."""
    wanted = set(names)
    return tuple(one for one in OPERATIONS if not wanted or one.name in wanted)
