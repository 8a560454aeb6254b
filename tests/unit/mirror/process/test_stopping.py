"""A server ends after a signal, whatever its threads are doing."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time

import pytest

from mirror.process import stopping
from mirror.process.stopping import Stopping
from tests.support.waiting import PATIENCE_S, until

SIGNALS = frozenset({signal.SIGUSR1, signal.SIGUSR2})


@pytest.fixture(autouse=True)
def handlers() -> object:
    before = {number: signal.getsignal(number) for number in SIGNALS}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


def send(running: Stopping, number: signal.Signals) -> None:
    """Send a signal to the thread that waits: other threads of the tests do not block it."""
    assert running._thread.ident is not None
    signal.pthread_kill(running._thread.ident, number)


def unexpected(code: int) -> None:
    raise AssertionError(code)


def test_a_signal_calls_the_callback_and_the_end_is_not_hard() -> None:
    said, ended = threading.Event(), list[int]()
    with Stopping(SIGNALS, 0, 7, ended.append) as running:
        running.on_stop(said.set)
        assert not said.is_set()
        send(running, signal.SIGUSR1)
        assert said.wait(PATIENCE_S)
    assert ended == []


def test_a_signal_before_the_server_is_ready_is_not_lost() -> None:
    said = list[int]()
    with Stopping(SIGNALS, PATIENCE_S, 7, said.append) as running:
        send(running, signal.SIGUSR2)
        until(lambda: running._is_stopped)
        running.on_stop(lambda: said.append(1))
    assert said == [1]


def test_without_a_signal_the_end_needs_no_wait_and_leaves_no_thread() -> None:
    before, began = threading.active_count(), time.monotonic()
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, ())
    with Stopping(SIGNALS, 1000, 7, unexpected):
        assert threading.active_count() == before + 1
    assert time.monotonic() - began < PATIENCE_S
    assert threading.active_count() == before
    assert signal.pthread_sigmask(signal.SIG_BLOCK, ()) == mask


def test_a_second_signal_after_the_end_is_ignored() -> None:
    with Stopping(SIGNALS, 1000, 7, unexpected):
        pass
    os.kill(os.getpid(), signal.SIGUSR1)


def test_a_server_that_does_not_end_is_ended_with_the_code(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(stopping, "END_LIMIT_S", 0.05)
    codes, ended = list[int](), threading.Event()

    def end(code: int) -> None:
        codes.append(code)
        ended.set()

    with Stopping(SIGNALS, 0, 7, end) as running:
        send(running, signal.SIGUSR1)
        assert ended.wait(PATIENCE_S)
    assert codes == [7]
    assert "MainThread" in caplog.text


STUCK = """
import logging, os, signal, sys, threading, time
from mirror.process import stopping
stopping.END_LIMIT_S = 0.1
logging.basicConfig(stream=sys.stderr)
with stopping.Stopping(frozenset({signal.SIGTERM}), 0.1, 7):
    if sys.argv[1] == "log":
        logging.getLogger().handlers[0].acquire()
    print("ready", flush=True)
    # The event loop of a server that waits for a disk: no handler of Python would run.
    libc = __import__("ctypes").CDLL(None)
    while True:
        libc.sleep(1000)
"""


@pytest.mark.parametrize("what", ["loop", "log"])
def test_a_main_thread_or_a_log_that_hangs_does_not_keep_the_process(what: str) -> None:
    with subprocess.Popen([sys.executable, "-c", STUCK, what], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"ready\n"
        process.send_signal(signal.SIGTERM)
        assert process.wait(PATIENCE_S) == 7
