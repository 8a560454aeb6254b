"""Progress bars, shown only on a terminal."""

from __future__ import annotations

import io
import time

import pytest

from store.model.progress import Progress, Silent
from storectl.output.drawing import Drawing
from storectl.output.progress import REDRAWS_PER_S, progress


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def work(bars: Progress) -> None:
    bars.total(100)
    bars.start("a", "[bold]one\x1b[31m", 60)
    bars.start("b", "two", None)
    bars.advance("b", 40)
    bars.advance("a", 60)
    bars.finish("b")
    bars.finish("a")


@pytest.mark.parametrize("quiet", [True, False])
def test_nothing_is_drawn_outside_a_terminal(monkeypatch: pytest.MonkeyPatch, quiet: bool) -> None:
    monkeypatch.setattr("sys.stderr", io.StringIO())
    with progress(quiet=quiet) as bars:
        assert isinstance(bars, Silent)
        work(bars)


def test_quiet_draws_nothing_on_a_terminal(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    screen = Terminal()
    monkeypatch.setattr("sys.stderr", screen)
    with progress(quiet=True) as bars:
        work(bars)
    assert screen.getvalue() == ""


def test_an_operation_that_ends_at_once_draws_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    screen = Terminal()
    monkeypatch.setattr("sys.stderr", screen)
    with progress(quiet=False) as bars:
        work(bars)
    assert screen.getvalue() == ""


def test_a_closed_standard_error_shows_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stderr", None)
    with progress(quiet=False) as bars:
        work(bars)
    assert isinstance(bars, Silent)


def test_a_terminal_shows_a_bar_for_each_part_and_the_total(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    screen = Terminal()
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "120")
    monkeypatch.setattr("sys.stderr", screen)
    monkeypatch.setattr("storectl.output.progress.DELAY_S", 0)
    with progress(quiet=False) as bars:
        bars.total(100)
        bars.start("a", "[bold]one\x1b[31m", 60)
        bars.advance("a", 60)
        print("the archive")  # noqa: T201 - goes past the bars
        deadline = time.monotonic() + 30
        while "60B/100B" not in screen.getvalue():
            assert time.monotonic() < deadline
            time.sleep(0.01)
        bars.finish("a")
    drawn = screen.getvalue()
    assert "total" in drawn
    assert r"[bold]one\x1b[31m" in drawn
    assert "60B/60B" in drawn
    assert capsys.readouterr().out == "the archive\n"


def test_drawing_is_bounded_in_time_and_not_by_the_number_of_reports(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    screen = Terminal()
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setattr("sys.stderr", screen)
    monkeypatch.setattr("storectl.output.progress.DELAY_S", 0)
    drawn = []
    table = Drawing.table
    monkeypatch.setattr(Drawing, "table", lambda self: drawn.append(1) or table(self))  # type: ignore[func-returns-value]
    began = time.monotonic()
    with progress(quiet=False) as bars:
        for number in range(20_000):
            bars.start(str(number), "part", 1)
            bars.advance(str(number), 1)
            bars.finish(str(number))
    # One drawing each at the start and at the end.
    assert len(drawn) <= (time.monotonic() - began) * REDRAWS_PER_S + 2
