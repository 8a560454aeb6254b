"""The states that a power cut may leave, and no others."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, Final

from tests.reliability.crash_states import (
    Bytes,
    Choice,
    Disk,
    Event,
    Names,
    after_a_cut,
    count_blocks,
)

if TYPE_CHECKING:
    from pathlib import Path

FOLDER: Final = "/d"
NOTHING: Final = Choice(Bytes.NONE, Names.NONE)
EVERYTHING: Final = Choice(Bytes.ALL, Names.ALL)
NAMES_ONLY: Final = Choice(Bytes.NONE, Names.ALL)


def call(kind: str, path: str, inode: int, **given: object) -> Event:
    fields = {"other": "", "is_folder": False, "offset": 0, "size": 0, "data": b"", **given}
    return Event(kind, path, inode=inode, **fields)  # type: ignore[arg-type]


def write(path: str, inode: int, data: bytes, offset: int = 0) -> Event:
    return call("W", path, inode, offset=offset, size=len(data), data=data)


def sync(path: str, inode: int, *, is_folder: bool = False) -> Event:
    return call("S", path, inode, is_folder=is_folder)


def start(tmp_path: Path) -> Disk:
    disk = Disk.of([tmp_path])
    disk.names = {FOLDER: disk.names[str(tmp_path)]}
    return disk


def contents(disk: Disk) -> dict[str, bytes]:
    return {
        path: bytes(disk.files[inode].data)
        for path, inode in disk.names.items()
        if not disk.files[inode].is_folder
    }


def cut(disk: Disk, events: list[Event], choice: Choice) -> dict[str, bytes]:
    return contents(after_a_cut(disk, events, choice, random.Random(1)))


def test_what_is_not_synced_may_be_lost_or_not(tmp_path: Path) -> None:
    disk = start(tmp_path)
    events = [call("C", "/d/new", 7), write("/d/new", 7, b"bytes")]
    assert cut(disk, events, NOTHING) == {}
    assert cut(disk, events, EVERYTHING) == {"/d/new": b"bytes"}
    assert cut(disk, events, NAMES_ONLY) == {"/d/new": b""}


def test_a_rename_before_the_sync_may_leave_an_empty_file(tmp_path: Path) -> None:
    disk = start(tmp_path)
    folder = disk.names[FOLDER]
    careless = [
        call("C", "/d/tmp", 7),
        write("/d/tmp", 7, b"bytes"),
        call("R", "/d/tmp", 7, other="/d/final"),
        sync("/d", folder, is_folder=True),
    ]
    assert cut(disk, careless, NOTHING) == {"/d/final": b""}
    careful = [*careless[:2], sync("/d/tmp", 7), *careless[2:]]
    for choice in (NOTHING, NAMES_ONLY, EVERYTHING):
        assert cut(disk, careful, choice) == {"/d/final": b"bytes"}
    # Without the sync of the folder, the file may have no name at all.
    assert cut(disk, careful[:-1], NOTHING) == {}


def test_a_sync_covers_only_what_came_before(tmp_path: Path) -> None:
    disk = start(tmp_path)
    events = [
        call("C", "/d/log", 7),
        sync("/d", disk.names[FOLDER], is_folder=True),
        write("/d/log", 7, b"first"),
        sync("/d/log", 7),
        write("/d/log", 7, b"second", 5),
    ]
    assert cut(disk, events, NOTHING) == {"/d/log": b"first"}


def test_a_removed_name_may_come_back(tmp_path: Path) -> None:
    disk = start(tmp_path)
    made = [
        call("C", "/d/old", 7),
        sync("/d", disk.names[FOLDER], is_folder=True),
        call("U", "/d/old", 7),
    ]
    assert cut(disk, made, NOTHING) == {"/d/old": b""}
    assert cut(disk, made, EVERYTHING) == {}


def test_blocks_of_a_write_are_lost_one_by_one(tmp_path: Path) -> None:
    disk = start(tmp_path)
    data = bytes([1]) * 4096 * 64
    event = write("/d/big", 7, data)
    assert count_blocks(event) == 64
    assert count_blocks(write("/d/big", 7, b"12", 4095)) == 2
    events = [call("C", "/d/big", 7), event]
    found = cut(disk, events, Choice(Bytes.SOME, Names.ALL))["/d/big"]
    kept = {found[at : at + 4096] for at in range(0, len(found), 4096)}
    assert len(found) == len(data)
    assert kept == {bytes(4096), data[:4096]}


def test_a_block_that_lost_a_write_has_no_later_one(tmp_path: Path) -> None:
    disk = start(tmp_path)
    words = [b"one", b"two", b"three"]
    events = [call("C", "/d/log", 7)]
    events += [write("/d/log", 7, word, 4 + 10 * at) for at, word in enumerate(words)]
    whole = cut(disk, events, EVERYTHING)["/d/log"]
    found = {
        contents(after_a_cut(disk, events, Choice(Bytes.SOME, Names.ALL), random.Random(seed)))[
            "/d/log"
        ]
        for seed in range(200)
    }
    # The size may be durable without the bytes.
    ends = (0, *(4 + 10 * at + len(word) for at, word in enumerate(words)))
    assert found == {whole[:end].ljust(len(whole), b"\0") for end in ends}


def test_a_state_can_be_written(tmp_path: Path) -> None:
    folder = tmp_path / "store"
    (folder / "deep").mkdir(parents=True)
    (folder / "deep" / "file").write_bytes(b"old")
    (folder / "lost").mkdir()
    disk = Disk.of([folder])
    inode = disk.names[str(folder / "deep" / "file")]
    events = [
        write(str(folder / "deep" / "file"), inode, b"new"),
        call("D", str(folder / "lost"), disk.names[str(folder / "lost")], is_folder=True),
    ]
    after_a_cut(disk, events, EVERYTHING, random.Random(1)).write([folder])
    assert (folder / "deep" / "file").read_bytes() == b"new"
    assert not (folder / "lost").exists()
    after_a_cut(disk, events, NOTHING, random.Random(1)).write([folder])
    assert (folder / "deep" / "file").read_bytes() == b"old"
    assert (folder / "lost").is_dir()
