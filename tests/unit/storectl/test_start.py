"""The entry point before the program is imported."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from storectl import start
from storectl.output.exit_codes import ExitCode
from storectl.system import changes, completion
from tests.support.waiting import PATIENCE_S


def test_the_values_are_those_of_the_program() -> None:
    changes.forget()
    assert int(ExitCode.INTERRUPTED) == start.INTERRUPTED
    assert start.MESSAGE.decode() == f"storectl: {changes.interruption()}\n"
    assert start.COMPLETE == completion.COMPLETE


def test_nothing_is_imported_before_the_handler_is_installed() -> None:
    # An interrupted import prints a traceback.
    script = """
import os, sys
before = set(sys.modules)
from storectl import start
import _signal
_signal.signal = lambda *_given: [print(sorted(set(sys.modules) - before), flush=True), os._exit(0)]
start.main()
"""
    done = subprocess.run(
        [sys.executable, "-Sc", script],
        env={"PYTHONPATH": str(Path(start.__file__).parents[1])},
        capture_output=True,
        timeout=PATIENCE_S,
        check=True,
    )
    assert done.stdout.decode().strip() == "['storectl', 'storectl.start']"


@pytest.mark.parametrize(
    ("environment", "says"), [({}, start.MESSAGE), ({start.COMPLETE: "bash_complete"}, b"")]
)
def test_an_early_interruption_ends_at_once(environment: dict[str, str], says: bytes) -> None:
    done = subprocess.run(
        [sys.executable, "-c", "from storectl import start; start.end(2, None)"],
        env={**os.environ, **environment},
        capture_output=True,
        timeout=PATIENCE_S,
        check=False,
    )
    assert (done.returncode, done.stderr) == (130, says)


@pytest.mark.parametrize("ignored", [True, False])
def test_an_ignored_signal_stays_ignored(monkeypatch: pytest.MonkeyPatch, ignored: bool) -> None:
    seen: list[object] = []

    def main() -> None:
        seen.append(signal.getsignal(signal.SIGINT))
        sys.exit(7)

    monkeypatch.setattr("storectl.cli.main", main)
    before = signal.signal(signal.SIGINT, signal.SIG_IGN if ignored else signal.default_int_handler)
    try:
        with pytest.raises(SystemExit):
            start.main()
    finally:
        signal.signal(signal.SIGINT, before)
    assert seen == [signal.SIG_IGN if ignored else start.end]


def test_closed_standard_files_are_opened() -> None:
    script = """
import os
from storectl import start
for number in range(3):
    os.close(number)
start.open_standard_files()
links = {os.readlink(f"/proc/self/fd/{number}") for number in range(3)}
os._exit(0 if links == {"/dev/null"} else 1)
"""
    subprocess.run([sys.executable, "-c", script], timeout=PATIENCE_S, check=True)


@pytest.mark.parametrize(
    ("umask", "kept"), [(0o777, 0o077), (0o277, 0o077), (0o022, 0o022), (0o000, 0o000)]
)
def test_the_owner_may_use_what_is_created(umask: int, kept: int) -> None:
    before = os.umask(umask)
    try:
        start.keep_own_permissions()
    finally:
        after = os.umask(before)
    assert after == kept
