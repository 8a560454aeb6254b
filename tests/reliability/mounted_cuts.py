"""Power cuts below real file systems: ext4, XFS and btrfs on a disk whose image is copied in use.

The image of the disk lies on btrfs, which copies a file at one instant (a reflink). Such a copy is
what a power cut leaves on a disk without a cache: every write that the file system has sent, and
none of the pages that the kernel still held. A mount of the copy replays the journal.

This needs root, loop devices and the programs that make file systems.
"""

from __future__ import annotations

import os
import random
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Final, final

from store import Store
from storectl import cli
from tests.reliability import mounted_recoveries as recoveries
from tests.reliability.children import in_child
from tests.reliability.invariants import require_sound, seen_in
from tests.reliability.mounted_recoveries import STORE, Promise, Recoveries
from tests.support.images import image, layer
from tests.support.waiting import until

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

FILE_SYSTEMS: Final = {
    "ext4": ("mkfs.ext4", "-q", "-F"),
    "xfs": ("mkfs.xfs", "-q", "-f"),
    "btrfs": ("mkfs.btrfs", "-q", "-f"),
}
_DISK_BYTES: Final = 400 * 2**20
_HOST_BYTES: Final = 3 * 2**30
_IMPORTS: Final = 2
"""How many images are imported between one backup and the next."""

_KEPT: Final = 12
"""How many images the store keeps; older ones are removed and collected."""


@dataclass
class MountedFigures:
    """What was tried on one file system, and what did not survive.

    Attributes:
        commands: The commands that ran while the power was cut.
        cuts: The copies of the disk that were mounted and checked.
        acknowledged: The images that had to be in these copies, added up.
        recoveries: The cuts in each phase of a backup, restore, repair or rescue.
        missing: Why the file system was not tried; empty if it was.
        failures: A description of each copy in which an invariant did not hold.
    """

    commands: int = 0
    cuts: int = 0
    acknowledged: int = 0
    recoveries: dict[str, int] = field(default_factory=dict)
    missing: str = ""
    failures: list[str] = field(default_factory=list)


def run(count: int, report: Callable[[str], None] = print) -> dict[str, MountedFigures]:
    """Cut the power ``count`` times below each file system.

    Args:
        count: How often to cut, for each file system.
        report: Receives a line for each file system.
    """
    found = {}
    for name, make in FILE_SYSTEMS.items():
        missing = _missing(make[0])
        found[name] = MountedFigures(missing=missing) if missing else _Disk(name, make).cut(count)
        report(f"mounted: {name}: {found[name].cuts} cuts, {len(found[name].failures)} failed")
    return found


def _missing(program: str) -> str:
    if os.geteuid() != 0:
        return "only root can mount"
    for one in (program, "mkfs.btrfs", "mount"):
        if shutil.which(one) is None:
            return f"{one} is not installed"
    return "" if Path("/dev/loop-control").exists() else "there are no loop devices"


def _make(command: list[str]) -> None:
    """Make a file system; mkfs.btrfs prints notes even when it is told to be quiet."""
    subprocess.run(command, check=True, capture_output=True)


@contextmanager
def _mounted(disk: Path, folder: Path) -> Iterator[Path]:
    folder.mkdir(exist_ok=True)
    subprocess.run(["mount", "-o", "loop", str(disk), str(folder)], check=True)
    try:
        yield folder
    finally:
        # A loop device keeps its file open for a moment after its own file system is unmounted.
        until(lambda: subprocess.run(["umount", str(folder)], check=False).returncode == 0)


@final
@dataclass(frozen=True, slots=True)
class _Cut:
    """A copy of the disk, and what had to be on it.

    Attributes:
        copy: The image of the disk.
        needed: The images that must be in the store.
        possible: The images that may be there.
        first: What the recoveries had promised before the copy.
        last: What they had promised after it.
    """

    copy: Path
    needed: frozenset[str]
    possible: frozenset[str]
    first: Promise
    last: Promise


class _Disk:
    def __init__(self, name: str, make: tuple[str, ...]) -> None:
        self._name, self._make = name, make
        self.figures = MountedFigures()
        self._begun: set[str] = set()
        self._removed: set[str] = set()
        self._acknowledged: set[str] = set()
        self._lock = threading.Lock()

    def cut(self, count: int) -> MountedFigures:
        with tempfile.TemporaryDirectory(dir="/dev/shm") as name:
            folder = Path(name)
            host = folder / "host.img"
            with host.open("wb") as file:
                file.truncate(_HOST_BYTES)
            _make([*FILE_SYSTEMS["btrfs"], str(host)])
            with _mounted(host, folder / "host") as place:
                self._on(place, folder, count)
        return self.figures

    def _on(self, host: Path, folder: Path, count: int) -> None:
        disk, chance = host / "disk.img", random.Random(self._name)
        with disk.open("wb") as file:
            file.truncate(_DISK_BYTES)
        _make([*self._make, str(disk)])
        with _mounted(disk, folder / "disk") as mounted:
            stop = threading.Event()
            self._recoveries = Recoveries(mounted, self._command)
            work = threading.Thread(target=self._guarded, args=(mounted / STORE, folder, stop))
            work.start()
            copies: list[_Cut] = []
            for number in range(count):
                time.sleep(chance.uniform(0.0, 0.5))
                if number == count - 1:
                    # At least one cut comes after a promise.
                    until(lambda: self._acknowledged or not work.is_alive())
                copies.append(self._copy(disk, host / f"copy-{number}.img"))
            stop.set()
            work.join()
        for one in copies:
            self._check(one, folder)

    def _copy(self, disk: Path, copy: Path) -> _Cut:
        first = self._recoveries.now
        with self._lock:
            needed = frozenset(self._acknowledged)
        subprocess.run(["cp", "--reflink=always", str(disk), str(copy)], check=True)
        with self._lock:
            possible = frozenset(self._begun)
            return _Cut(copy, needed - self._removed, possible, first, self._recoveries.now)

    def _guarded(self, root: Path, folder: Path, stop: threading.Event) -> None:
        try:
            self._work(root, folder, stop)
        except Exception as exc:  # noqa: BLE001 - without commands, nothing is tried
            self.figures.failures.append(f"the commands have ended: {exc!r}")

    def _work(self, root: Path, folder: Path, stop: threading.Event) -> None:
        chance, kept, number = random.Random(self._name), list[str](), 0
        archive = folder / "archive.tar"
        while not stop.is_set():
            number += 1
            name = f"cut:{number}"
            data = chance.randbytes(chance.randrange(1, 200_000))
            archive.write_bytes(image(layer("own", data), tags=(name,)).bytes())
            with self._lock:
                self._begun.add(name)
            self._command(root, "import", "-q", str(archive))
            with self._lock:
                self._acknowledged.add(name)
            kept.append(name)
            if len(kept) > _KEPT:
                gone = kept.pop(0)
                with self._lock:
                    self._removed.add(gone)
                self._command(root, "rm", gone)
                self._command(root, "gc")
            if number % _IMPORTS == 0:
                self._recoveries.work(frozenset(kept))

    def _command(self, root: Path, *arguments: str) -> None:
        done = subprocess.run(
            [sys.executable, "-m", "storectl", "--root", str(root), *arguments],
            capture_output=True,
            text=True,
            check=False,
        )
        self.figures.commands += 1
        if done.returncode != 0:
            self.figures.failures.append(f"{arguments}: {done.stderr}")

    def _check(self, cut: _Cut, folder: Path) -> None:
        self.figures.cuts += 1
        self.figures.acknowledged += len(cut.needed)
        phase = cut.first.phase.name.lower().replace("_", " ")
        self.figures.recoveries[phase] = self.figures.recoveries.get(phase, 0) + 1
        try:
            with _mounted(cut.copy, folder / "copy") as mounted:
                ended = in_child(lambda _: _survived(mounted, cut), folder / "output")
            assert ended.code == 0, ended.said
        except (AssertionError, subprocess.CalledProcessError) as exc:
            self.figures.failures.append(f"cut {self.figures.cuts} ({phase}): {exc}")
        cut.copy.unlink()


def _survived(disk: Path, cut: _Cut) -> None:
    root, needed = disk / STORE, cut.needed
    if not (root / "store.db").exists():
        assert not needed, f"the store is gone, with {len(needed)} images"
        return
    with Store.open(root) as store:
        names = {line.split(" ")[1] for line in seen_in(store).facts if line.startswith("tag ")}
        require_sound(store)
    assert needed <= names, f"lost {needed - names}"
    assert names <= cut.possible, f"unknown {names - cut.possible}"
    recoveries.survived(disk, cut.first, cut.last)
    code = cli.run(["--root", str(root), "gc"])
    assert code == 0, code
