"""Backups, restores, repairs and rescues on a disk whose power is cut, and what must be left."""

from __future__ import annotations

import os
import shutil
from dataclasses import dataclass, replace
from enum import IntEnum
from typing import TYPE_CHECKING, Final, final

from store import Store
from storectl import cli
from tests.reliability.invariants import require_sound, seen_in

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

STORE: Final = "store"
BACKUPS: Final = "backups"
COPY: Final = "copy"


class Phase(IntEnum):
    """What was done last. A phase begins before its first change of the disk."""

    NOTHING = 0
    BACKING_UP = 1
    BACKED_UP = 2
    RESTORING = 3
    RESTORED = 4
    REPAIRING = 5
    REPAIRED = 6
    RESCUING = 7
    RESCUED = 8


@final
@dataclass(frozen=True, slots=True)
class Promise:
    """What has been promised at one moment.

    Attributes:
        phase: The phase.
        backups: How many backups were acknowledged.
        needed: The images that the last backup has.
    """

    phase: Phase = Phase.NOTHING
    backups: int = 0
    needed: frozenset[str] = frozenset()


@final
class Recoveries:
    """Makes a backup, restores it, damages and repairs the copy, loses and rescues its catalogue.

    Attributes:
        now: What is promised now.

    Args:
        disk: The mounted disk.
        command: Runs a command on a store.
    """

    def __init__(self, disk: Path, command: Callable[..., None]) -> None:
        self.now = Promise()
        self._disk = disk
        self._command = command

    def _enter(self, phase: Phase) -> None:
        self.now = replace(self.now, phase=phase)

    def work(self, needed: frozenset[str]) -> None:
        """Do all of it once.

        Args:
            needed: The images of the store, which stays as it is meanwhile.
        """
        store, copy = self._disk / STORE, self._disk / COPY
        backups = str(self._disk / BACKUPS)
        self._enter(Phase.BACKING_UP)
        self._command(store, "backup", "-q", "--keep", "2", backups)
        self.now = Promise(Phase.BACKED_UP, self.now.backups + 1, needed)
        self._enter(Phase.RESTORING)
        self._command(copy, "restore", "-q", backups)
        self._enter(Phase.RESTORED)
        self._enter(Phase.REPAIRING)
        _damage(copy)
        self._command(copy, "fsck", "-q", "--repair", "--from", str(store))
        self._enter(Phase.REPAIRED)
        self._enter(Phase.RESCUING)
        _lose(copy)
        self._command(copy, "rescue", "-q")
        self._enter(Phase.RESCUED)
        self._enter(Phase.NOTHING)
        shutil.rmtree(copy)


def _damage(root: Path) -> None:
    """Change a byte of the largest file, durably."""
    path = max((one for one in (root / "blobs").rglob("*") if one.is_file()), key=_size)
    path.chmod(0o600)
    with path.open("r+b") as file:
        file.seek(_size(path) // 2)
        byte = file.read(1)
        file.seek(-1, os.SEEK_CUR)
        file.write(bytes([byte[0] ^ 1]))
        file.flush()
        os.fsync(file.fileno())


def _size(path: Path) -> int:
    return path.stat().st_size


def _lose(root: Path) -> None:
    """Remove the catalogue, and then its log, durably."""
    for path in sorted(root.glob("store.db*")):
        path.unlink()
    descriptor = os.open(root, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def survived(disk: Path, first: Promise, last: Promise) -> None:
    """Check a disk after a power cut.

    Args:
        disk: The mounted copy of the disk.
        first: What was promised before the cut.
        last: What was promised right after the cut.

    Raises:
        AssertionError: Something promised is lost, or cannot be repeated.
    """
    store, copy = disk / STORE, disk / COPY
    backups = str(disk / BACKUPS)
    if first.backups:
        _do(store, "backup", "-q", "--verify", backups)
    if first.phase >= Phase.RESTORING and last.phase >= first.phase:
        _copy_survived(copy, store, backups, first, last)
    if (store / "store.db").exists():
        # What was interrupted disturbs nobody.
        _do(store, "backup", "-q", "--keep", "2", backups)
        _do(store, "backup", "-q", "--verify", backups)


def _copy_survived(copy: Path, store: Path, backups: str, first: Promise, last: Promise) -> None:
    if not (copy / "store.db").exists():
        if first.phase is Phase.RESTORING:
            _do(copy, "restore", "-q", backups)
        else:
            lost = first.phase < Phase.RESCUED and last.phase >= Phase.RESCUING
            assert lost, f"{first.phase.name}: the catalogue is gone"
    if not (copy / "store.db").exists():
        _do(copy, "rescue", "-q")
    if first.phase < Phase.REPAIRED and last.phase >= Phase.REPAIRING:
        _do(copy, "fsck", "-q", "--repair", "--from", str(store))
    with Store.open(copy) as opened:
        names = {line.split(" ")[1] for line in seen_in(opened).facts if line.startswith("tag ")}
        require_sound(opened)
    assert first.needed <= names, f"{first.phase.name}: lost {first.needed - names}"


def _do(root: Path, *arguments: str) -> None:
    code = cli.run(["--root", str(root), *arguments])
    assert code == 0, (arguments, code)
