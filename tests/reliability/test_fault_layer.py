"""The fault layer strikes exactly the call that it is told to strike, also those of SQLite."""

from __future__ import annotations

import errno
import json
import subprocess
from typing import TYPE_CHECKING, Any, Final

import pytest

from tests.reliability.fault_layer import CHANGES, KILLED, TAKES_SPACE, Action, program

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.usefixtures("compiler")

SCRIPT: Final = """
import json, os, sqlite3, sys
from pathlib import Path
from tests.reliability.fault_layer import Action, FaultLayer

folder, action, at, error, kinds = json.loads(sys.argv[1])
folder = Path(folder)
layer = FaultLayer()
layer.scope([folder])
layer.arm(Action(action), at, error, kinds)
found = []

def step(name, call):
    try:
        call()
        found.append(name)
    except (OSError, sqlite3.Error) as exc:
        found.append(f"{name}: {getattr(exc, 'errno', None) or exc}")

def write():
    with (folder / "file").open("wb", buffering=0) as file:
        file.write(b"0123456789")
        os.fsync(file.fileno())

def sql():
    database = sqlite3.connect(folder / "db", isolation_level=None)
    database.execute("PRAGMA journal_mode=WAL")
    database.execute("CREATE TABLE t (x)")

(folder.parent / "outside").write_bytes(b"never counted")
step("write", write)
step("rename", lambda: os.rename(folder / "file", folder / "other"))
step("sql", sql)
step("unlink", lambda: os.unlink(folder / "other"))
print(json.dumps([found, layer.kinds, layer.place]))
"""


def run(
    folder: Path, action: Action, at: int = 0, error: int = 0, kinds: str = ""
) -> subprocess.CompletedProcess[str]:
    folder.mkdir()
    command, environment = program(
        "-c", SCRIPT, json.dumps([str(folder), int(action), at, error, kinds])
    )
    return subprocess.run(
        command, env=environment, capture_output=True, text=True, timeout=120, check=False
    )


def result(done: subprocess.CompletedProcess[str]) -> Any:  # noqa: ANN401 - JSON
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_calls_are_counted_in_order(tmp_path: Path) -> None:
    found, kinds, _ = result(run(tmp_path / "a", Action.COUNT))
    assert found == ["write", "rename", "sql", "unlink"]
    assert kinds.startswith("CWSR")
    assert kinds.endswith("U")
    # SQLite creates its files, writes and syncs.
    assert {"C", "W", "S"} <= set(kinds[4:-1])


def test_a_process_is_killed_before_a_call(tmp_path: Path) -> None:
    assert run(tmp_path / "a", Action.KILL, 4).returncode == KILLED
    assert [path.name for path in (tmp_path / "a").iterdir()] == ["file"]


def test_a_process_is_killed_in_a_write(tmp_path: Path) -> None:
    assert run(tmp_path / "a", Action.TORN, 2).returncode == KILLED
    assert (tmp_path / "a" / "file").read_bytes() == b"01234"


def test_one_call_fails(tmp_path: Path) -> None:
    found, _, place = result(run(tmp_path / "a", Action.ONCE, 3, errno.EIO))
    assert found == [f"write: {errno.EIO}", "rename", "sql", "unlink"]
    assert place == f"S {tmp_path / 'a' / 'file'}"


def test_all_later_calls_fail(tmp_path: Path) -> None:
    found, _, _ = result(run(tmp_path / "a", Action.FROM, 4, errno.EROFS, CHANGES))
    assert found[0] == "write"
    assert found[1] == f"rename: {errno.EROFS}"
    assert found[2].startswith("sql: ")
    assert found[3] == f"unlink: {errno.EROFS}"


def test_a_full_disk_lets_files_be_removed(tmp_path: Path) -> None:
    found, _, _ = result(run(tmp_path / "a", Action.FROM, 5, errno.ENOSPC, TAKES_SPACE))
    assert found[:2] == ["write", "rename"]
    assert "full" in found[2] or "unable to open" in found[2]
    assert found[3] == "unlink"
