"""A process that keeps a lock for ever stops the others only for a limited time."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from store.files.lock_holders import describe
from tests.support.command_files import GOLDEN
from tests.support.command_line import Runner
from tests.support.waiting import PATIENCE_S, until

if TYPE_CHECKING:
    from collections.abc import Iterator

LIMIT_S = 0.3
CHILD = "spec-golden-parent:child"

HOLD = """
import fcntl, os, sys
descriptor = os.open(sys.argv[1], os.O_RDONLY if os.path.isdir(sys.argv[1]) else os.O_RDWR)
fcntl.flock(descriptor, fcntl.LOCK_EX)
os.kill(os.getpid(), 19)
"""
HOLD_SQLITE = """
import os, sqlite3, sys
connection = sqlite3.connect(sys.argv[1], isolation_level=None)
connection.execute("BEGIN IMMEDIATE")
os.kill(os.getpid(), 19)
"""

WRITES = (
    ("import", str(GOLDEN / "untagged.tar")),
    ("save", "-o", "{tmp}/out.tar", CHILD),
    ("tag", CHILD, "other:1"),
    ("untag", CHILD),
    ("rm", CHILD),
    ("gc",),
    ("prune", "-f"),
)


def stopped(code: str, path: Path) -> subprocess.Popen[bytes]:
    process = subprocess.Popen([sys.executable, "-c", code, str(path)])
    until(lambda: describe(process.pid).is_stopped)
    return process


@pytest.fixture
def run(root: Path, capfdbinary: pytest.CaptureFixture[bytes]) -> Runner:
    runner = Runner(root, capfdbinary)
    runner("import", str(GOLDEN / "parent-and-tags.tar"))
    return runner


@pytest.fixture
def holder(root: Path, run: Runner) -> Iterator[subprocess.Popen[bytes]]:
    del run
    process = stopped(HOLD, root / "write.lock")
    yield process
    process.kill()
    process.wait()


def names(run: Runner) -> list[str]:
    return sorted(run("images", "--format", "{{.Repository}}:{{.Tag}}").split())


def test_every_verb_that_writes_gives_up_with_the_name_of_the_stopped_process(
    run: Runner, holder: subprocess.Popen[bytes], tmp_path: Path
) -> None:
    before = names(run)
    for verb in WRITES:
        arguments = [one.format(tmp=tmp_path) for one in verb]
        began = time.monotonic()
        run(*arguments, "--lock-timeout", str(LIMIT_S), code=10)
        assert LIMIT_S <= time.monotonic() - began < PATIENCE_S
        command = Path(f"/proc/{holder.pid}/comm").read_text().rstrip("\n")
        assert f"waited {LIMIT_S} s for process {holder.pid} ({command}, stopped)" in run.err
        assert f"kill -CONT {holder.pid}" in run.err
        assert "--lock-timeout" in run.err
    assert names(run) == before
    assert not (tmp_path / "out.tar").exists()
    assert not list((run.root / "staging").iterdir())


def test_reads_go_on_meanwhile(run: Runner, holder: subprocess.Popen[bytes]) -> None:
    del holder
    for verb in (("images",), ("inspect", CHILD), ("history", CHILD), ("df",), ("events",)):
        run(*verb)


def test_the_limit_may_come_from_the_environment_and_the_option_wins(
    run: Runner, holder: subprocess.Popen[bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    del holder
    monkeypatch.setenv("STORECTL_LOCK_TIMEOUT", "0.2")
    run("tag", CHILD, "other:1", code=10)
    assert "waited 0.2 s" in run.err
    run("--lock-timeout", "0", "tag", CHILD, "other:1", code=10)
    assert "waited 0 s" in run.err
    monkeypatch.setenv("STORECTL_LOCK_TIMEOUT", "soon")
    run("tag", CHILD, "other:1", code=2)
    assert "STORECTL_LOCK_TIMEOUT" in run.err


@pytest.mark.parametrize("limit", ["-1", "nan", "inf", "x", "10000000"])
def test_a_limit_that_makes_no_sense_is_wrong_usage(run: Runner, limit: str) -> None:
    run(f"--lock-timeout={limit}", "images", code=2)
    assert "--lock-timeout" in run.err


def test_the_error_is_a_json_document_if_asked(
    run: Runner, holder: subprocess.Popen[bytes]
) -> None:
    run("gc", "--json", "--lock-timeout", "0.1", code=10)
    said = json.loads(run.err)
    assert (said["Kind"], said["ExitCode"]) == ("StoreBusy", 10)
    assert str(holder.pid) in said["Error"]


def test_a_lock_of_sqlite_itself_has_the_same_limit_and_names_its_holder(run: Runner) -> None:
    process = stopped(HOLD_SQLITE, run.root / "store.db")
    try:
        began = time.monotonic()
        run("tag", CHILD, "other:1", "--lock-timeout", "0.2", code=10)
        assert time.monotonic() - began < PATIENCE_S
        assert f"process {process.pid} (" in run.err
        run("images")
    finally:
        process.kill()
        process.wait()
    run("tag", CHILD, "other:1")


def test_a_stopped_writer_of_an_output_folder_is_not_waited_for_either(
    run: Runner, tmp_path: Path
) -> None:
    layout = tmp_path / "layout"
    run("save", "--format", "oci", "-o", f"{layout}/", CHILD)
    before = (layout / "index.json").read_bytes()
    process = stopped(HOLD, layout)
    try:
        for verb in (
            ("save", "--format", "oci", "-o", f"{layout}/", CHILD),
            ("mirror-config", "podman", "--write", str(layout)),
        ):
            run(*verb, "--lock-timeout", "0.2", code=10)
            assert f"process {process.pid} (" in run.err
    finally:
        process.kill()
        process.wait()
    assert (layout / "index.json").read_bytes() == before


def test_a_writer_that_goes_on_in_time_is_only_waited_for(
    run: Runner, holder: subprocess.Popen[bytes]
) -> None:
    process = subprocess.Popen(
        [
            sys.executable,
            "-m",
            "storectl",
            "--root",
            str(run.root),
            "tag",
            CHILD,
            "a:1",
        ],
        stderr=subprocess.PIPE,
    )
    assert process.stderr is not None
    assert b"waiting for" in process.stderr.readline()
    os.kill(holder.pid, signal.SIGCONT)
    assert process.wait(PATIENCE_S) == 0
    process.stderr.close()
    assert "a:1" in names(run)
