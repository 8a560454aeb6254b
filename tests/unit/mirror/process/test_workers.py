"""Worker processes, and the supervisor process that starts them."""

from __future__ import annotations

import errno
import logging
import os
import signal
from typing import TYPE_CHECKING, final

import pytest

from mirror.process import workers
from mirror.process.workers import Workers
from store.errors import Unavailable
from tests.support.waiting import until

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


@final
class Supervisor:
    """A supervisor process with two workers; every event creates a file in ``folder``."""

    def __init__(
        self, folder: Path, work: Callable[[int], None] | None = None, grace_s: float = 60.0
    ) -> None:
        self._folder = folder
        self.pid = os.fork()
        if self.pid:
            return
        code = 1
        try:
            Workers(
                work or self._work,
                2,
                self._note("refreshed"),
                reloads=True,
                interval_s=3600.0,
                grace_s=grace_s,
            ).run(self._note("started"), self._note("stopping"))
            code = 0
        except Unavailable:
            code = 2
        finally:
            os._exit(code)

    def _note(self, event: str) -> Callable[[], None]:
        return (self._folder / event).touch

    def _work(self, number: int) -> None:
        (self._folder / f"worker-{number}-{os.getpid()}").touch()
        while signal.sigwait((signal.SIGTERM, signal.SIGHUP)) == signal.SIGHUP:
            (self._folder / f"reloaded-{number}").touch()

    def names(self, prefix: str = "") -> list[str]:
        """Return the names of all events so far that begin with ``prefix``, sorted."""
        return sorted(path.name for path in self._folder.iterdir() if path.name.startswith(prefix))

    def wait(self) -> int:
        """Wait until the supervisor has ended; return its exit code."""
        return os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])

    def stop(self) -> int:
        """Send SIGTERM to the supervisor and wait until it has ended; return its exit code."""
        os.kill(self.pid, signal.SIGTERM)
        return self.wait()


@pytest.fixture
def supervisor(tmp_path: Path) -> Supervisor:
    running = Supervisor(tmp_path)
    until(lambda: len(running.names("worker-")) == 2 and running.names("started"))
    return running


def test_all_workers_stop_together(supervisor: Supervisor) -> None:
    pids = [int(name.rpartition("-")[2]) for name in supervisor.names("worker-")]
    assert supervisor.stop() == 0
    assert supervisor.names("stopping") == ["stopping"]
    for pid in pids:
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)


def test_killed_worker_is_replaced(supervisor: Supervisor) -> None:
    (victim,) = supervisor.names("worker-1-")
    os.kill(int(victim.rpartition("-")[2]), signal.SIGKILL)
    until(lambda: len(supervisor.names("worker-1-")) == 2)
    assert len(supervisor.names("worker-0-")) == 1
    assert supervisor.stop() == 0


def fail_fork(monkeypatch: pytest.MonkeyPatch, failing: int) -> None:
    """Let one fork fail: the first one makes the supervisor, the next two make the workers."""
    fork, calls = os.fork, 0

    def flaky() -> int:
        nonlocal calls
        calls += 1
        if calls == failing:
            raise BlockingIOError(errno.EAGAIN, os.strerror(errno.EAGAIN))
        return fork()

    monkeypatch.setattr(os, "fork", flaky)


def test_a_worker_is_replaced_later_if_there_is_no_room_for_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(workers, "_RETRY_S", 0.2)
    fail_fork(monkeypatch, 4)
    logging.getLogger(workers.__name__).addHandler(logging.FileHandler(tmp_path / "log"))
    try:
        running = Supervisor(tmp_path)
    finally:
        logging.getLogger(workers.__name__).handlers.pop().close()
    until(lambda: len(running.names("worker-")) == 2 and running.names("started"))
    (victim,) = running.names("worker-1-")
    os.kill(int(victim.rpartition("-")[2]), signal.SIGKILL)
    until(lambda: len(running.names("worker-1-")) == 2)
    assert "cannot start worker 1: Resource temporarily unavailable; trying again" in (
        (tmp_path / "log").read_text()
    )
    assert running.stop() == 0


def test_a_server_without_room_for_its_first_workers_ends(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fail_fork(monkeypatch, 3)
    running = Supervisor(tmp_path)
    assert running.wait() == 2
    assert running.names("started") == []


def test_hangup_reloads_the_supervisor_and_every_worker(supervisor: Supervisor) -> None:
    os.kill(supervisor.pid, signal.SIGHUP)
    until(lambda: supervisor.names("re") == ["refreshed", "reloaded-0", "reloaded-1"])
    assert supervisor.stop() == 0


def test_worker_that_fails_at_the_end_fails_the_server(tmp_path: Path) -> None:
    def fail(number: int) -> None:
        (tmp_path / f"worker-{number}").touch()
        signal.sigwait((signal.SIGTERM,))
        if number:
            raise RuntimeError("the worker fails")

    running = Supervisor(tmp_path, fail)
    until(lambda: len(running.names("worker-")) == 2)
    assert running.stop() == 2


def test_workers_that_die_at_once_are_given_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(workers, "_MAX_EARLY_DEATHS", 2)
    assert Supervisor(tmp_path, lambda _number: os._exit(3)).wait() == 2


def test_workers_that_do_not_end_are_killed_even_if_they_are_stopped(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(workers, "END_LIMIT_S", 0.1)
    monkeypatch.setattr(workers, "_KILL_AFTER_S", 0.1)
    # A busy machine takes more than a second to free the memory of a killed process.
    monkeypatch.setattr(workers, "_KILLED_LIMIT_S", 60.0)

    def hang(number: int) -> None:
        (tmp_path / f"worker-{number}-{os.getpid()}").touch()
        if number:
            os.kill(os.getpid(), signal.SIGSTOP)
        while True:
            signal.sigwait((signal.SIGTERM,))

    running = Supervisor(tmp_path, hang, grace_s=0.1)
    until(lambda: len(running.names("worker-")) == 2)
    pids = [int(name.rpartition("-")[2]) for name in running.names("worker-")]
    assert running.stop() == 2
    for pid in pids:
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)
