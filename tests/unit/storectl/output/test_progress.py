"""Progress bars, shown only on a terminal."""

from __future__ import annotations

import io

import pytest

from store.model.progress import Progress, Silent
from storectl.output.progress import progress


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


def test_a_terminal_shows_a_bar_for_each_part_and_the_total(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    screen = Terminal()
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "120")
    monkeypatch.setattr("sys.stderr", screen)
    with progress(quiet=False) as bars:
        bars.total(100)
        bars.start("a", "[bold]one\x1b[31m", 60)
        bars.advance("a", 60)
        print("the archive")  # noqa: T201 - goes past the bars
        bars._rich.refresh()  # type: ignore[attr-defined]
        drawn = screen.getvalue()
        work(bars)
    assert "total" in drawn
    assert r"[bold]one\x1b[31m" in drawn
    assert "60/100 bytes" in drawn
    assert capsys.readouterr().out == "the archive\n"
