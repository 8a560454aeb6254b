from __future__ import annotations

import fcntl
import os
import shutil
import sqlite3
import struct
import subprocess
import sys
from contextlib import closing
from typing import TYPE_CHECKING, Final

import pytest

from store.db.sqlite.engine import Access, connect
from store.errors import StorageFull
from store.files.space import shared_memory
from store.files.space.shared_memory import SHARED_BYTES, keep_blocks
from tests.support.small_disks import full_of_bytes, small_disk

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

GET_FLAGS: Final = 0x80086601
NO_COPY_ON_WRITE: Final = 0x00800000


def run(code: str, *arguments: object) -> int:
    """Run a program with a connection `c` to the database of the first argument."""
    before = (
        "import os, sqlite3, sys; from pathlib import Path;"
        "from store.db.sqlite.engine import Access, connect;"
        "c = connect(Path(sys.argv[1]), Access.READ_WRITE)\n"
    )
    return subprocess.run(
        [sys.executable, "-c", before + code, *map(str, arguments)], check=False
    ).returncode


def is_overwritten(path: Path) -> bool:
    with path.open("rb") as file:
        answer = fcntl.ioctl(file.fileno(), GET_FLAGS, struct.pack("l", 0))
    return bool(struct.unpack("l", answer)[0] & NO_COPY_ON_WRITE)


def has_blocks(path: Path) -> bool:
    return path.stat().st_blocks * 512 >= SHARED_BYTES


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Path]:
    """Return a database with a log, on a small btrfs."""
    with small_disk(tmp_path, mib=128, kind="btrfs") as disk:
        path = disk / "store" / "store.db"
        path.parent.mkdir()
        with closing(sqlite3.connect(path, isolation_level=None)) as connection:
            connection.execute("PRAGMA journal_mode=WAL")
            connection.execute("CREATE TABLE mark (x)")
        path.chmod(0o640)
        yield path
        assert shared_memory._open == {}
        subprocess.run(["umount", str(disk)], check=True)
        subprocess.run(["mount", "-t", "tmpfs", "tmpfs", str(disk)], check=True)


@pytest.fixture
def shared(database: Path) -> Path:
    return database.with_name("store.db-shm")


def test_nothing_is_done_on_other_file_systems_and_without_a_folder(tmp_path: Path) -> None:
    (tmp_path / "store.db").touch()
    with small_disk(tmp_path) as disk:
        (disk / "store.db").touch()
        assert keep_blocks(disk / "store.db") is None
        assert [path.name for path in disk.iterdir()] == ["store.db"]
    assert keep_blocks(tmp_path / "nothing" / "store.db") is None


def test_without_a_database_or_permission_nothing_is_done(database: Path, shared: Path) -> None:
    assert keep_blocks(database.with_name("other.db")) is None
    shared.symlink_to(database)
    assert keep_blocks(database) is None
    shared.unlink()


def test_a_process_lives_when_the_disk_is_full(database: Path) -> None:
    """Without the blocks, the kernel ends this process (SIGBUS), at the latest at the write."""
    code = (
        "def rows(): return c.execute('SELECT count(*) FROM mark').fetchone()[0]\n"
        "first = rows()\n"
        "from tests.support.small_disks import full_of_bytes\n"
        "full_of_bytes(Path(sys.argv[1]).parent.parent)\n"
        "for connection in (c, connect(Path(sys.argv[1]), Access.READ_ONLY)):\n"
        "    os.sync()\n"
        "    assert connection.execute('SELECT count(*) FROM mark').fetchone() == (first,)\n"
        "try: c.execute('INSERT INTO mark VALUES (1)')\n"
        "except sqlite3.OperationalError: pass\n"
        "assert rows() == first"
    )
    assert run(code, database) == 0


def test_the_file_has_the_mode_of_the_database_and_keeps_its_blocks(
    database: Path, shared: Path
) -> None:
    for _ in range(2):
        with closing(connect(database, Access.READ_ONLY)) as connection:
            connection.execute("SELECT * FROM mark").fetchall()
            assert shared.stat().st_size >= 32768
            assert has_blocks(shared)
            assert is_overwritten(shared)
            assert shared.stat().st_mode & 0o777 == 0o640
        # A connection that only reads leaves the file behind.
        assert has_blocks(shared)
    connect(database, Access.READ_WRITE).close()


def test_a_header_that_is_ahead_of_the_log_is_not_believed(database: Path, shared: Path) -> None:
    """After a power cut, the file may be newer than the log."""
    log = database.with_name("store.db-wal")
    code = (
        "for x in (1, 2):\n"
        "    c.execute('INSERT INTO mark VALUES (?)', (x,))\n"
        "    if x == 1: log = Path(sys.argv[2]).read_bytes()\n"
        "Path(sys.argv[2]).write_bytes(log)\n"
        "os._exit(0)"
    )
    assert run(code, database, log) == 0
    assert is_overwritten(shared)
    with closing(connect(database, Access.READ_ONLY)) as connection:
        assert connection.execute("SELECT x FROM mark").fetchall() == [(1,)]
    assert has_blocks(shared)


def test_a_file_that_is_copied_on_write_is_emptied_by_its_first_user(
    database: Path, shared: Path
) -> None:
    shared.write_bytes(bytes(4096))
    assert not is_overwritten(shared)
    with closing(connect(database, Access.READ_WRITE)) as connection:
        connection.execute("INSERT INTO mark VALUES (1)")
        assert is_overwritten(shared)
        assert has_blocks(shared)
    assert not shared.exists()


def test_locks_of_sqlite_stay_when_another_connection_is_closed(database: Path) -> None:
    """To close any descriptor of a file releases all locks of the process on it."""
    busy = (
        "try: c.execute('PRAGMA busy_timeout=0'); c.execute('BEGIN IMMEDIATE')\n"
        "except sqlite3.OperationalError: sys.exit(3)"
    )
    with closing(connect(database, Access.READ_WRITE)) as connection:
        connection.execute("BEGIN IMMEDIATE")
        for access in (Access.READ_ONLY, Access.READ_WRITE):
            connect(database, access).close()
            with closing(connect(database, access)) as other:
                other.execute("SELECT * FROM mark").fetchall()
        assert run(busy, database) == 3
        connection.execute("COMMIT")
        assert run(busy, database) == 0


def test_a_file_of_another_program_gets_blocks_while_there_is_room(
    database: Path, shared: Path
) -> None:
    code = (
        "import sqlite3, sys; c = sqlite3.connect(sys.argv[1], isolation_level=None);"
        "c.execute('INSERT INTO mark VALUES (1)'); print('ready', flush=True); input()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code, database], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as other:
        assert other.stdout is not None
        other.stdout.readline()
        assert run("assert c.execute('SELECT x FROM mark').fetchall() == [(1,)]", database) == 0
        assert has_blocks(shared)
        # The other program was the first, and its bytes are copied: only room for copies helps.
        assert not is_overwritten(shared)
        full_of_bytes(database.parent.parent)
        with pytest.raises(StorageFull):
            keep_blocks(database)
        other.kill()


def test_a_full_disk_has_no_blocks(database: Path, shared: Path) -> None:
    full_of_bytes(database.parent.parent)
    with pytest.raises(StorageFull):
        keep_blocks(database)
    assert not shared.exists()
    shared.touch()
    with pytest.raises(StorageFull):
        keep_blocks(database)
    shared.unlink()


def test_a_file_that_was_replaced_is_another_file(database: Path, shared: Path) -> None:
    first, again = keep_blocks(database), keep_blocks(database)
    assert first is not None
    assert again is not None
    shared.rename(shared.with_name("old"))
    shutil.copyfile(database, shared)
    second = keep_blocks(database)
    assert second is not None
    assert len(shared_memory._open) == 2
    for one in (first, second, first):
        one.release()
    assert len(shared_memory._open) == 1
    again.release()


def test_a_child_has_a_lock_of_its_own(database: Path) -> None:
    with shared_memory._one_thread:
        child = os.fork()
        if not child:
            kept = keep_blocks(database)
            os._exit(0 if kept is not None else 1)
    assert os.waitpid(child, 0)[1] == 0
