"""The states in which a power cut may leave files, built from a record of the fault layer.

A file system may have written anything that was not synced, in any order, or not at all. So a state
is chosen by two questions for each change that no sync covers: which bytes have reached the disk,
and which names.

- Bytes are durable after an fsync of their file, names after an fsync of their folder.
- Bytes that are not durable may be missing one block of 4 KiB at a time. A block is written as a
  whole, so it has what was written to it up to some moment, and nothing later. A file whose size is
  durable, but not its bytes, reads as zeros.
- Names change in the order of the calls, as in the journal of ext4, XFS and btrfs.
"""

from __future__ import annotations

import os
import shutil
import stat
import struct
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Final, final

if TYPE_CHECKING:
    import random
    from collections.abc import Iterator, Sequence

_HEADER: Final = struct.Struct("=BBHHHQQQ")
_BLOCK_BYTES: Final = 4096
_NAMES: Final = frozenset("CRLUMD")
_BYTES: Final = frozenset("WTF")
_SYNC: Final = "S"
_LOGS: Final = ("-wal", "-shm")
_MARK: Final = "A"


@final
@dataclass(frozen=True, slots=True)
class Event:
    """A call that succeeded, or a mark of something that was acknowledged (kind ``A``).

    Attributes:
        kind: The letter that ``shim.c`` gives the call.
        path: The path of the file, or the text of a mark.
        other: The new path of a rename or link.
        inode: The file's inode.
        is_folder: Whether the file is a folder.
        offset: Offset of a write or reservation in bytes.
        size: Size of a write in bytes, or the new size of a file.
        data: The bytes of a write.
    """

    kind: str
    path: str
    other: str
    inode: int
    is_folder: bool
    offset: int
    size: int
    data: bytes


def read_record(record: Path) -> list[Event]:
    """Return the events of a record in their order."""
    return list(_events(record.read_bytes()))


def _events(data: bytes) -> Iterator[Event]:
    position = 0

    def take(size: int) -> bytes:
        nonlocal position
        position += size
        return data[position - size : position]

    while position < len(data):
        kind, is_folder, path_bytes, other_bytes, _, inode, offset, size = _HEADER.unpack(
            take(_HEADER.size)
        )
        path, other = os.fsdecode(take(path_bytes)), os.fsdecode(take(other_bytes))
        written = take(size) if chr(kind) == "W" else b""
        yield Event(chr(kind), path, other, inode, bool(is_folder), offset, size, written)


class Bytes(Enum):
    """Which bytes that were not synced are on the disk."""

    NONE = "none"
    ALL = "all"
    SOME = "some"


class Names(Enum):
    """Which names that were not synced are on the disk."""

    NONE = "none"
    ALL = "all"
    SOME = "some"


@final
@dataclass(frozen=True, slots=True)
class Choice:
    """What a power cut keeps of the changes that were not synced."""

    data: Bytes
    names: Names


CHOICES: Final = (
    Choice(Bytes.NONE, Names.NONE),
    Choice(Bytes.NONE, Names.ALL),
    Choice(Bytes.ALL, Names.NONE),
    Choice(Bytes.SOME, Names.ALL),
    Choice(Bytes.SOME, Names.SOME),
)


@dataclass
class _File:
    """A file or folder on the disk, whatever names it has."""

    is_folder: bool
    mode: int
    data: bytearray = field(default_factory=bytearray)


@dataclass
class Disk:
    """Files by inode, and the inode of each path."""

    files: dict[int, _File] = field(default_factory=dict)
    names: dict[str, int] = field(default_factory=dict)

    @classmethod
    def of(cls, folders: Sequence[Path]) -> Disk:
        """Return the disk with the trees below ``folders``, all of it durable."""
        disk = cls()
        for folder in folders:
            for path in (folder, *folder.rglob("*")):
                if not path.exists():
                    continue
                status = path.lstat()
                is_folder = stat.S_ISDIR(status.st_mode)
                data = bytearray() if is_folder else bytearray(path.read_bytes())
                disk.files[status.st_ino] = _File(is_folder, stat.S_IMODE(status.st_mode), data)
                disk.names[str(path)] = status.st_ino
        return disk

    def copy(self) -> Disk:
        """Return a copy that can be changed."""
        return Disk(
            {
                key: _File(one.is_folder, one.mode, bytearray(one.data))
                for key, one in self.files.items()
            },
            dict(self.names),
        )

    def change_bytes(self, event: Event, blocks: Sequence[bool] | None = None) -> None:
        """Apply a write, a new size or a reservation.

        Args:
            event: The call.
            blocks: Which blocks of the write have reached the disk; None for all.
        """
        data = self._file(event).data
        if event.kind == "T":
            _resize(data, event.size)
            return
        end = event.offset + event.size
        if len(data) < end:
            _resize(data, end)
        if event.kind == "F":
            return
        position = event.offset
        for number in range(count_blocks(event)):
            stop = min(end, (position // _BLOCK_BYTES + 1) * _BLOCK_BYTES)
            if blocks is None or blocks[number]:
                data[position:stop] = event.data[position - event.offset : stop - event.offset]
            position = stop

    def change_names(self, event: Event) -> None:
        """Apply a new name, a rename, a link, or the end of a name."""
        if event.kind in "CM":
            self._file(event)
            self.names[event.path] = event.inode
        elif event.kind == "L":
            self.names[event.other] = event.inode
        elif event.kind in "UD":
            self.names.pop(event.path, None)
        else:
            self._rename(event)

    def _rename(self, event: Event) -> None:
        below = f"{event.path}/"
        self._file(event)
        for path in [one for one in self.names if one.startswith(below)]:
            self.names[event.other + path[len(event.path) :]] = self.names.pop(path)
        self.names.pop(event.path, None)
        self.names[event.other] = event.inode

    def _file(self, event: Event) -> _File:
        return self.files.setdefault(
            event.inode, _File(event.is_folder, 0o700 if event.is_folder else 0o600)
        )

    def write(self, folders: Sequence[Path]) -> None:
        """Make the trees below ``folders`` what this disk has.

        The logs of databases get a time before the start of the machine, as after a power cut.
        """
        for folder in folders:
            shutil.rmtree(folder, ignore_errors=True)
        for path, inode in sorted(self.names.items()):
            file, target = self.files[inode], Path(path)
            if not target.parent.is_dir():
                continue  # the folder's own name is lost
            if file.is_folder:
                target.mkdir(mode=0o700)
            else:
                target.write_bytes(file.data)
                target.chmod(file.mode)
                if target.name.endswith(_LOGS):
                    os.utime(target, (0, 0))


def count_blocks(event: Event) -> int:
    """Return the number of blocks that a write touches."""
    if event.size == 0:
        return 0
    first = event.offset // _BLOCK_BYTES
    return (event.offset + event.size - 1) // _BLOCK_BYTES - first + 1


def _resize(data: bytearray, size: int) -> None:
    if size < len(data):
        del data[size:]
    else:
        data.extend(bytes(size - len(data)))


def after_a_cut(
    start: Disk, events: Sequence[Event], choice: Choice, chance: random.Random
) -> Disk:
    """Return what a power cut after ``events`` leaves on the disk.

    Args:
        start: The disk before the first event.
        events: The calls up to the cut.
        choice: What is kept of the changes that were not synced.
        chance: Chooses among them.
    """
    disk = start.copy()
    lost: set[tuple[int, int]] = set()
    synced_at: dict[int, int] = {}
    folder_inodes = _folder_inodes(start, events)
    for number, event in enumerate(events):
        if event.kind == _SYNC:
            synced_at[event.inode] = number
    loose = [
        number
        for number, event in enumerate(events)
        if event.kind in _NAMES and not _is_durable_name(event, number, folder_inodes, synced_at)
    ]
    kept = _kept_names(loose, choice.names, chance)
    for number, event in enumerate(events):
        if event.kind in _NAMES:
            if number not in loose or number in kept:
                disk.change_names(event)
        elif event.kind in _BYTES:
            if synced_at.get(event.inode, -1) > number or choice.data is Bytes.ALL:
                disk.change_bytes(event)
            elif choice.data is Bytes.SOME:
                blocks = _kept_blocks(event, lost, chance)
                if event.kind == "W" or chance.random() < 0.5:
                    disk.change_bytes(event, blocks)
    return disk


def _kept_blocks(event: Event, lost: set[tuple[int, int]], chance: random.Random) -> list[bool]:
    """Return which blocks of a write are kept.

    Args:
        event: The write.
        lost: The file and number of each block that has lost a write; the lost blocks are added.
        chance: Chooses.
    """
    first = event.offset // _BLOCK_BYTES
    kept = []
    for number in range(first, first + count_blocks(event)):
        if chance.random() < 0.5:
            lost.add((event.inode, number))
        kept.append((event.inode, number) not in lost)
    return kept


def _kept_names(loose: Sequence[int], names: Names, chance: random.Random) -> frozenset[int]:
    if names is Names.NONE:
        return frozenset()
    if names is Names.ALL:
        return frozenset(loose)
    return frozenset(loose[: chance.randint(0, len(loose))])


def _folder_inodes(start: Disk, events: Sequence[Event]) -> dict[str, int]:
    """Return the inode of each folder by its path."""
    found = {path: inode for path, inode in start.names.items() if start.files[inode].is_folder}
    found |= {event.path: event.inode for event in events if event.kind == "M"}
    found |= {
        event.path: event.inode for event in events if event.kind == _SYNC and event.is_folder
    }
    return found


def _is_durable_name(
    event: Event, number: int, folder_inodes: dict[str, int], synced_at: dict[int, int]
) -> bool:
    """Return whether the folder of a new or removed name was synced after the change.

    A rename is durable with the folder of the new name: a journal has both names in one entry. A
    folder outside of the record counts as synced; tests/integration/test_durability.py checks it.
    """
    folder = folder_inodes.get(os.path.dirname(event.other or event.path))  # noqa: PTH120 - text
    return folder is None or synced_at.get(folder, -1) > number
