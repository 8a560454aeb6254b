"""Damage in SQLite's log, told from a write that was interrupted."""

from __future__ import annotations

import random
import shutil
import sqlite3
import time
from contextlib import closing
from typing import TYPE_CHECKING, Final

import pytest

from store.db.faults import FaultKind
from store.db.sqlite.engine import DATABASE
from store.db.sqlite.location import LOG, SHARED_MEMORY
from store.db.sqlite.log_check import log_faults, started_at

if TYPE_CHECKING:
    from pathlib import Path

FRAME: Final = 24 + 4096
HEADER: Final = 32
CHANGES: Final = 12


@pytest.fixture(scope="module")
def killed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder as a process leaves it that dies with changes in the log."""
    folder = tmp_path_factory.mktemp("log")
    live, dead = folder / "live", folder / "dead"
    live.mkdir()
    numbers = random.Random(5)
    with closing(sqlite3.connect(live / DATABASE, isolation_level=None)) as connection:
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("CREATE TABLE one (id INTEGER PRIMARY KEY, data BLOB)")
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        for _ in range(CHANGES):
            connection.execute("BEGIN")
            for _ in range(numbers.randrange(1, 4)):
                connection.execute("INSERT INTO one (data) VALUES (?)", (numbers.randbytes(3000),))
            connection.execute("COMMIT")
        shutil.copytree(live, dead)
    return dead


@pytest.fixture
def root(killed: Path, tmp_path: Path) -> Path:
    """Return a copy of the folder, after a restart of the machine: without shared memory."""
    shutil.copytree(killed, tmp_path / "s")
    (tmp_path / "s" / SHARED_MEMORY).unlink()
    return tmp_path / "s"


def faults(root: Path, started: float = 0.0) -> list[str]:
    found = log_faults(root, pause=lambda _seconds: None, started=lambda: started)
    assert {fault.kind for fault in found} <= {FaultKind.LOG}
    return [fault.message for fault in found]


def write(root: Path, offset: int, data: bytes) -> None:
    with (root / LOG).open("r+b") as log:
        log.seek(offset)
        log.write(data)


def frames(root: Path) -> int:
    return ((root / LOG).stat().st_size - HEADER) // FRAME


def rows(root: Path) -> int:
    """Return what SQLite makes of a copy of the database."""
    copy = root.with_name("copy")
    shutil.rmtree(copy, ignore_errors=True)
    shutil.copytree(root, copy)
    (copy / SHARED_MEMORY).unlink(missing_ok=True)
    with closing(sqlite3.connect(copy / DATABASE)) as connection:
        return int(connection.execute("SELECT count(*) FROM one").fetchone()[0])


def test_a_sound_log_has_no_faults(killed: Path, root: Path) -> None:
    assert faults(killed) == faults(root) == []
    (root / LOG).unlink()
    assert faults(root) == []


def test_every_flipped_bit_that_loses_a_change_is_found(root: Path) -> None:
    whole, before = (root / LOG).read_bytes(), rows(root)
    chosen = random.Random(6)
    places = [*range(0, HEADER, 3), *range(HEADER, HEADER + 24, 2)]
    places += [chosen.randrange(len(whole)) for _ in range(20)]
    places += [len(whole) - 1, len(whole) - FRAME + 5, len(whole) - FRAME + 9]
    places += [len(whole) - FRAME + 20]
    for place in places:
        write(root, 0, whole)
        write(root, place, bytes([whole[place] ^ 1 << chosen.randrange(8)]))
        if rows(root) != before:
            assert faults(root), f"a flipped bit in byte {place} of {len(whole)}"


def test_the_message_says_how_many_changes_are_lost(root: Path) -> None:
    write(root, HEADER + 24 + 7, b"x")
    (message,) = faults(root)
    assert message.startswith(f"the log {LOG} is damaged at frame 1: ")
    assert f"{CHANGES} committed change(s) cannot be read" in message
    write(root, 0, b"xx")
    assert "its header" in faults(root)[0]


@pytest.mark.parametrize("plant", [bytes(4096), random.Random(7).randbytes(4096)])
def test_a_page_of_other_bytes_is_found(root: Path, plant: bytes) -> None:
    whole = (root / LOG).read_bytes()
    for place in range(0, len(whole) - 3 * FRAME, 7 * 512):
        write(root, 0, whole)
        write(root, place, plant)
        assert faults(root), f"a page in byte {place} of {len(whole)}"


def test_shared_memory_tells_that_the_end_was_committed(killed: Path, tmp_path: Path) -> None:
    root = tmp_path / "s"
    shutil.copytree(killed, root)
    write(root, HEADER + (frames(root) - 1) * FRAME + 24 + 100, b"x" * 500)
    assert faults(root)
    # After a restart of the machine, the same bytes may be those of a write that was cut off.
    (root / SHARED_MEMORY).unlink()
    assert faults(root) == []


def test_a_log_that_ends_in_the_middle_of_a_write_is_no_damage(root: Path) -> None:
    whole = (root / LOG).read_bytes()
    for size in range(0, len(whole), 1111):
        (root / LOG).write_bytes(whole[:size])
        assert faults(root) == []
        (root / LOG).write_bytes(whole[:size].ljust(len(whole), b"\0"))
        assert faults(root) == []


def test_what_remains_of_an_earlier_log_is_no_damage(root: Path) -> None:
    with closing(sqlite3.connect(root / DATABASE, isolation_level=None)) as connection:
        connection.execute("PRAGMA wal_checkpoint(RESTART)")
        connection.execute("UPDATE one SET data = x'00' WHERE id = 1")
        assert frames(root) > 3
        assert faults(root) == []


def test_frames_of_a_change_that_was_not_committed_are_no_damage(root: Path) -> None:
    with closing(sqlite3.connect(root / DATABASE, isolation_level=None)) as connection:
        # Spill the pages of the change to the log, as a large import does.
        connection.execute("PRAGMA cache_size=1")
        connection.execute("PRAGMA cache_spill=1")
        connection.execute("BEGIN")
        for _ in range(50):
            connection.execute("INSERT INTO one (data) VALUES (zeroblob(3000))")
        spilled = root.with_name("spilled")
        shutil.copytree(root, spilled)
        connection.execute("ROLLBACK")
        connection.execute("INSERT INTO one (data) VALUES (zeroblob(300))")
        assert frames(spilled) > frames(root) // 2 > 10
        assert faults(spilled) == faults(root) == []


LATER: Final = 9e9
"""A start of the machine after every change of the log."""


def blocks(root: Path) -> range:
    return range(4096, (root / LOG).stat().st_size - 4096, 4096)


def test_a_block_that_a_power_cut_lost_is_no_damage(root: Path) -> None:
    whole = (root / LOG).read_bytes()
    lost = 0
    for place in blocks(root):
        write(root, 0, whole)
        write(root, place, bytes(4096))
        lost += bool(faults(root))
        assert faults(root, LATER) == [], f"a lost block at {place} of {len(whole)}"
    assert lost > len(blocks(root)) / 2, "without a start of the machine, it is damage"


def test_a_block_that_was_written_between_the_head_and_its_page_is_no_damage(root: Path) -> None:
    whole = (root / LOG).read_bytes()
    lost = 0
    for frame in range(HEADER, HEADER + (frames(root) - 3) * FRAME, FRAME):
        page = frame + 24
        write(root, 0, whole)
        write(root, page, bytes(-page % 4096))
        lost += bool(faults(root))
        assert faults(root, LATER) == [], f"a lost page at {page} of {len(whole)}"
    assert lost > frames(root) / 2, "without a start of the machine, it is damage"


def test_a_block_of_an_earlier_log_that_was_not_overwritten_is_no_damage(root: Path) -> None:
    earlier = (root / LOG).read_bytes()
    with closing(sqlite3.connect(root / DATABASE, isolation_level=None)) as connection:
        connection.execute("PRAGMA wal_checkpoint(RESTART)")
        for number in range(1, 6):
            connection.execute("UPDATE one SET data = zeroblob(9000) WHERE id = ?", (number,))
        whole = (root / LOG).read_bytes()
    assert len(whole) >= len(earlier)
    lost = 0
    for place in range(4096, 5 * 4096, 4096):
        (root / LOG).write_bytes(whole)
        write(root, place, earlier[place : place + 4096])
        lost += bool(faults(root))
        assert faults(root, LATER) == [], f"block at {place}"
    assert lost


def test_other_damage_is_found_after_a_start_of_the_machine(root: Path) -> None:
    whole, before = (root / LOG).read_bytes(), rows(root)
    chosen = random.Random(8)
    for place in range(HEADER + 24, len(whole) - 3 * FRAME, 13 * 512):
        for plant in (chosen.randbytes(512), bytes([whole[place] ^ 1 << chosen.randrange(8)])):
            write(root, 0, whole)
            write(root, place, plant)
            if rows(root) != before:
                assert faults(root, LATER), f"{len(plant)} bytes at {place} of {len(whole)}"


def test_shared_memory_of_before_a_power_cut_proves_nothing(killed: Path, tmp_path: Path) -> None:
    root = tmp_path / "s"
    shutil.copytree(killed, root)
    last = HEADER + (frames(root) - 1) * FRAME
    block = (last + 4095) // 4096 * 4096
    write(root, block, bytes((root / LOG).stat().st_size - block))
    assert faults(root)
    assert faults(root, LATER) == []


def test_the_machine_was_started_before_now() -> None:
    assert 0 < started_at() < time.time()
