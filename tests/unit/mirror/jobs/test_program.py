"""Programs that the leader runs: what they print, and their end."""

from __future__ import annotations

import sys
import threading
import time

from mirror.jobs.program import Ended, Program
from tests.support.waiting import PATIENCE_S


def python(code: str) -> Program:
    return Program((sys.executable, "-I", "-c", code), PATIENCE_S)


def test_a_program_ends_with_what_it_has_printed() -> None:
    found = python("import sys; print('out'); sys.stderr.write('error'); exit(11)").run()
    assert found == Ended(11, b"out\n", b"error")
    absent = Program(("/nowhere/program",), 1).run()
    assert absent.exit_code == 1
    assert absent.message.startswith("cannot start the program")


def test_the_message_is_the_first_error() -> None:
    assert Ended(4, errors=b"no such file\nhint: look\n").message == "no such file"
    assert Ended(4, errors=b'{"Error":"no such file","Hints":[]}\n').message == "no such file"
    assert Ended(4, errors=b"[1]").message == "[1]"
    assert Ended(4).message == "exit code 4"
    assert len(Ended(4, errors=b"x" * 5000).message) == 1000


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
    program = Program((sys.executable, "-I", "-c", code), 0.1)
    timer = threading.Timer(1.0, program.stop)
    timer.start()
    began = time.monotonic()
    assert program.run().was_stopped
    assert time.monotonic() - began < PATIENCE_S
    timer.join()
