"""The program of a scheduled sync: its report, its end, and programs that report nothing."""

from __future__ import annotations

import json
import sys
import threading
import time

from mirror.jobs.sync_program import MAX_FAILURES, SyncProgram
from tests.support.waiting import PATIENCE_S

REPORT = {
    "Run": "sync-0123456789ab",
    "Counts": {"pulled": 2, "removed": 1, "unchanged": 5, "failed": 1},
    "DownloadedBytes": 1 << 40,
    "Images": [
        {"Name": "a:1", "Error": None},
        {"Name": "b:1", "Error": {"Message": "cannot read it"}},
    ],
}


def python(code: str) -> SyncProgram:
    return SyncProgram((sys.executable, "-I", "-c", code), PATIENCE_S)


def test_a_report_has_sums_and_failures() -> None:
    found = python(f"print('''{json.dumps([REPORT])}'''); exit(11)").run()
    assert (found.exit_code, found.run) == (11, "sync-0123456789ab")
    assert (found.images, found.moved, found.failed) == (9, 3, 1)
    assert found.size_bytes == 1 << 40
    assert found.failures == (("b:1", "cannot read it"),)
    assert not found.was_stopped
    assert not found.message


def test_few_failures_are_reported() -> None:
    failed = {"Name": "a:1", "Error": {"Message": "x" * 2000}}
    report = json.dumps([{**REPORT, "Images": [failed] * 30}])
    found = python(f"print('''{report}''')").run()
    assert len(found.failures) == MAX_FAILURES
    assert len(found.failures[0][1]) == 1000


def test_a_program_without_a_report_is_a_failure_with_its_first_message() -> None:
    for said in ("no such file\\nhint: look", '{"Error":"no such file","Hints":[]}'):
        found = python(f"import sys; sys.stderr.write('{said}'); exit(4)").run()
        assert (found.exit_code, found.message) == (4, "no such file")
    assert (found.images, found.moved, found.failed) == (0, 0, 0)
    # Whatever it prints, a program that reports nothing has not succeeded.
    for text in ("[]", "{}", "[{}]", "[1]", '[{"Images": 1}]'):
        found = python(f"print('''{text}''')").run()
        assert (found.exit_code, found.message) == (1, "exit code 0")
    absent = SyncProgram(("/nowhere/program",), 1).run()
    assert absent.exit_code == 1
    assert absent.message.startswith("cannot start the program")


def test_a_program_that_is_stopped_ends() -> None:
    program = python("import time; time.sleep(3600)")
    timer = threading.Timer(0.3, program.stop)
    timer.start()
    found = program.run()
    timer.join()
    assert found.was_stopped
    # What was stopped before it began does not begin.
    program = python("raise SystemExit(9)")
    program.stop()
    assert program.run().was_stopped


def test_a_program_that_ignores_the_signal_is_killed() -> None:
    code = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); time.sleep(3600)"
    program = SyncProgram((sys.executable, "-I", "-c", code), 0.1)
    timer = threading.Timer(1.0, program.stop)
    timer.start()
    began = time.monotonic()
    assert program.run().was_stopped
    assert time.monotonic() - began < PATIENCE_S
    timer.join()
