from __future__ import annotations

import errno
import fcntl
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from store.files import lock_holders
from store.files.lock_holders import Holder, describe, find_holder, holder, users
from tests.support.waiting import until

LINES = (
    "1: POSIX  ADVISORY  WRITE 11 {file} 0 EOF\n"
    "2: FLOCK  ADVISORY  READ  12 {file} 0 EOF\n"
    "2: -> FLOCK  ADVISORY  WRITE 13 {file} 0 EOF\n"
    "3: FLOCK  ADVISORY  WRITE -1 {file} 0 EOF\n"
    "\n"
    "4: FLOCK  ADVISORY  WRITE 4711 {file} 0 EOF\n"
)


@pytest.fixture
def proc(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "proc"
    folder.mkdir()
    monkeypatch.setattr(lock_holders, "PROC", folder)
    return folder


@pytest.fixture
def locked(tmp_path: Path) -> os.stat_result:
    path = tmp_path / "lock"
    path.touch()
    return path.stat()


def file_of(status: os.stat_result) -> str:
    return f"{os.major(status.st_dev):02x}:{os.minor(status.st_dev):02x}:{status.st_ino}"


@pytest.mark.parametrize(("kind", "pid"), [("FLOCK", 4711), ("POSIX", 11)])
def test_only_the_process_with_an_exclusive_lock_of_the_kind_is_found(
    proc: Path, locked: os.stat_result, kind: str, pid: int
) -> None:
    (proc / "locks").write_text(LINES.format(file=file_of(locked)))
    assert holder(locked, kind=kind) == Holder(pid)


def test_a_lock_on_another_file_is_not_taken_for_this_one(
    proc: Path, locked: os.stat_result
) -> None:
    (proc / "locks").write_text(LINES.format(file="00:00:1"))
    assert holder(locked) is None


def test_the_first_lock_on_the_file_counts() -> None:
    assert find_holder([("a", 1), ("b", 2), ("b", 3)], "b") == 2
    assert find_holder([], "b") is None


def test_a_device_that_only_the_kernel_knows_is_found_by_the_open_file(
    proc: Path, tmp_path: Path, locked: os.stat_result
) -> None:
    # btrfs and overlayfs report another device in this list than for the file.
    (proc / "locks").write_text(
        f"1: FLOCK  ADVISORY  WRITE 5 00:99:{locked.st_ino} 0 EOF\n"
        f"2: FLOCK  ADVISORY  WRITE 6 00:99:{locked.st_ino} 0 EOF\n"
        f"3: FLOCK  ADVISORY  WRITE 7 00:99:{locked.st_ino} 0 EOF\n"
    )
    for pid, target in ((6, "other"), (7, "lock")):
        (proc / str(pid) / "fd").mkdir(parents=True)
        (tmp_path / target).touch()
        (proc / str(pid) / "fd" / "3").symlink_to(tmp_path / target)
    assert holder(locked) == Holder(7)


@pytest.mark.parametrize(
    ("state", "words", "is_stopped"),
    [
        ("S", "process 7 (evil) R \\x1b[0m)", False),
        ("T", "process 7 (evil) R \\x1b[0m, stopped)", True),
        ("D", "process 7 (evil) R \\x1b[0m, waiting for a disk)", False),
    ],
)
def test_the_command_and_the_state_are_those_of_the_kernel(
    proc: Path, state: str, words: str, *, is_stopped: bool
) -> None:
    (proc / "7").mkdir()
    (proc / "7" / "comm").write_text("evil) R \x1b[0m\n")
    (proc / "7" / "stat").write_text(f"7 (evil) R \x1b[0m) {state} 1 1")
    assert (str(describe(7)), describe(7).is_stopped) == (words, is_stopped)


def test_this_process_holds_the_lock(tmp_path: Path) -> None:
    with (tmp_path / "lock").open("w") as file:
        assert holder(os.fstat(file.fileno())) is None
        fcntl.flock(file, fcntl.LOCK_EX)
        found = holder(os.fstat(file.fileno()))
        assert found is not None
        assert found.pid == os.getpid()
        assert found.command == Path("/proc/self/comm").read_text().rstrip("\n")


def test_a_stopped_process_is_reported_as_stopped() -> None:
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as process:
        try:
            process.send_signal(signal.SIGSTOP)
            until(lambda: describe(process.pid).is_stopped)
        finally:
            process.kill()


def test_nothing_is_known_without_the_list(
    locked: os.stat_result, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lock_holders, "PROC", Path("/nowhere"))
    assert holder(locked) is None
    assert str(describe(7)) == "process 7"


def test_a_process_whose_files_cannot_be_listed_is_not_the_holder(
    proc: Path, locked: os.stat_result, monkeypatch: pytest.MonkeyPatch
) -> None:
    (proc / "locks").write_text(f"1: FLOCK  ADVISORY  WRITE 5 00:99:{locked.st_ino} 0 EOF\n")

    def refuse(_path: Path) -> list[str]:
        raise PermissionError(errno.EACCES, "no")

    monkeypatch.setattr(os, "listdir", refuse)
    assert holder(locked) is None


PROGRAM = "import sys, time; f = open(sys.argv[1]); print('open', flush=True); time.sleep(600)"


def test_a_process_with_an_open_file_is_found(tmp_path: Path) -> None:
    folder = tmp_path.resolve()
    for name in ("one", "two"):
        (folder / name).touch()
    command = [sys.executable, "-c", PROGRAM, str(folder / "one")]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as user:
        assert user.stdout is not None
        user.stdout.readline()
        assert [one.pid for one in users(folder, ("one",))] == [user.pid]
        assert users(folder, ("two",)) == []
        (folder / "one").unlink()
        assert [one.pid for one in users(folder, ("one", "two"))] == [user.pid]
        user.kill()
    assert users(folder, ("one",)) == []


def test_this_process_does_not_count(tmp_path: Path) -> None:
    path = tmp_path.resolve() / "one"
    descriptor = os.open(path, os.O_CREAT)
    try:
        assert users(path.parent, ("one",)) == []
    finally:
        os.close(descriptor)
