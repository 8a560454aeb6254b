"""Programs that the leader runs: what they print, and their end."""

from __future__ import annotations

import fcntl
import os
import subprocess
import sys
import threading
import time
from typing import TYPE_CHECKING

from mirror.jobs.program import LIFELINE, Ended, Program
from storectl.system import lifeline
from tests.support.processes import is_running
from tests.support.waiting import PATIENCE_S, until

if TYPE_CHECKING:
    from pathlib import Path

    from store import Store


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


def test_a_program_ends_with_the_process_that_runs_it(tmp_path: Path) -> None:
    assert lifeline.LIFELINE == LIFELINE
    inner = "import os, sys\nfrom storectl.system import lifeline\nlifeline.watch()\n"
    inner += f"open({str(tmp_path / 'pid')!r}, 'w').write(f'{{os.getpid()}}\\n')\n"
    inner += "import time; time.sleep(3600)"
    outer = "import sys; from mirror.jobs.program import Program\n"
    outer += f"Program((sys.executable, '-c', {inner!r}), 60).run()"
    with subprocess.Popen([sys.executable, "-c", outer]) as process:
        until(lambda: (tmp_path / "pid").exists() and (tmp_path / "pid").read_text()[-1:] == "\n")
        process.kill()
    until(lambda: not is_running(int((tmp_path / "pid").read_text())))


def test_a_program_holds_the_lock_of_its_task_as_well(store: Store) -> None:
    lock = store.locks.lock_task("test")
    assert lock is not None
    (number,) = lock.descriptors
    code = f"import os; print(os.fstat({number}).st_ino)"
    assert int(python(code).run(lock).output) == os.fstat(number).st_ino
    assert fcntl.fcntl(number, fcntl.F_GETFD) & fcntl.FD_CLOEXEC
    lock.release()
