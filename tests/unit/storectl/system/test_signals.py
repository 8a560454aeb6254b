"""A signal ends a run of the command with an exit code; later signals are ignored."""

from __future__ import annotations

import signal
import sys
import time
from types import SimpleNamespace
from typing import TYPE_CHECKING

import pytest

from storectl.output.exit_codes import ExitCode
from storectl.system import signals

if TYPE_CHECKING:
    from tests.support.fake_shell import FakeStore, Shell


@pytest.mark.usefixtures("own_process")
@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGHUP, 129)])
def test_a_signal_unwinds_and_ignores_further_signals(
    shell: Shell, fake: FakeStore, number: signal.Signals, code: int
) -> None:
    with pytest.raises(signals.TerminatedError) as ended:
        signals.terminate(number, None)
    assert all(
        signal.getsignal(one) is signal.SIG_IGN
        for one in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    )
    fake.answers["each_image"] = ended.value
    shell("images", code=code)
    assert shell.err == ""


@pytest.mark.usefixtures("own_process")
def test_ctrl_c_unwinds_as_a_keyboard_interrupt() -> None:
    with pytest.raises(KeyboardInterrupt):
        signals.terminate(signal.SIGINT, None)
    assert signal.getitimer(signal.ITIMER_REAL)[0] > signals.CLEANUP_LIMIT_S / 2


@pytest.mark.usefixtures("own_process")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGHUP])
def test_an_ignored_signal_stays_ignored(number: signal.Signals) -> None:
    signal.signal(number, signal.SIG_IGN)
    signals.install()
    assert signal.getsignal(number) is signal.SIG_IGN
    assert signal.getsignal(signal.SIGTERM) is signals.terminate


@pytest.mark.usefixtures("own_process")
@pytest.mark.parametrize(
    ("ignored", "expected"),
    [
        (KeyboardInterrupt(), KeyboardInterrupt),
        (signals.TerminatedError(ExitCode.HUNG_UP), signals.TerminatedError),
    ],
)
def test_an_ignored_exception_of_a_signal_is_raised_again(
    ignored: BaseException, expected: type[BaseException]
) -> None:
    with pytest.raises(expected):
        signals.raise_again(SimpleNamespace(exc_value=ignored))
        time.sleep(5)


def test_other_ignored_exceptions_are_printed(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    class Faulty:
        def __del__(self) -> None:
            raise ValueError("lost")

    monkeypatch.setattr(sys, "unraisablehook", signals.raise_again)
    Faulty()
    assert "ValueError: lost" in capsys.readouterr().err


def test_an_exception_of_a_signal_is_found_behind_another_one() -> None:
    raised = KeyboardInterrupt()
    wrapped = RuntimeError("Error calling __set_name__")
    wrapped.__cause__ = raised
    assert signals.interruption(wrapped) is raised
    assert signals.interruption(RuntimeError()) is None


def test_errors_that_cause_each_other_end_the_search() -> None:
    inner, outer = ValueError("inner"), ValueError("outer")
    inner.__cause__, outer.__cause__ = outer, inner
    assert signals.interruption(outer) is None
