"""The drawing of progress bars: what each line says, and that no line is too wide."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from storectl.output.bars import Bars
from storectl.output.drawing import Drawing


def lines(drawing: Drawing, columns: int, encoding: str = "utf-8") -> list[str]:
    raw = io.BytesIO()
    file = io.TextIOWrapper(raw, encoding=encoding, errors="strict")
    Console(file=file, width=columns).print(drawing.table())
    file.flush()
    return raw.getvalue().decode(encoding).splitlines()


def busy() -> Bars:
    bars = Bars()
    bars.total(2_000_000)
    for number in range(9):
        bars.start(str(number), f"[red]{number}" + "long" * 20, 100_000)
    bars.start("unknown", "unknown", None)
    bars.advance("0", 50_000)
    return bars


@pytest.mark.parametrize("columns", [20, 80, 200])
@pytest.mark.parametrize("encoding", ["utf-8", "ascii"])
def test_no_line_is_wider_than_the_terminal(columns: int, encoding: str) -> None:
    drawn = lines(Drawing(busy()), columns, encoding)
    assert len(drawn) == 8
    assert all(len(line) <= columns for line in drawn)


def test_each_line_has_a_label_a_bar_and_sizes() -> None:
    *parts, others, total = lines(Drawing(busy()), 120)
    assert parts[0].startswith("[red]0long")
    assert "50kB/100kB" in parts[0]
    assert others.split() == ["4", "more"]
    assert "50kB/2MB" in total


def test_the_total_shows_the_speed_and_the_time_left() -> None:
    bars = Bars()
    bars.total(3_661_000_000)
    bars.start("a", "a", None)
    times = iter([10.0, 20.0])
    drawing = Drawing(bars, lambda: next(times))
    assert "/s" not in lines(drawing, 120)[-1]
    bars.advance("a", 10_000_000)
    assert "1MB/s 1:00:51" in lines(drawing, 120)[-1]


def test_an_unknown_total_has_no_time_left() -> None:
    bars = Bars()
    bars.start("a", "a", None)
    times = iter([10.0, 20.0])
    drawing = Drawing(bars, lambda: next(times))
    lines(drawing, 120)
    bars.advance("a", 10_000_000)
    assert lines(drawing, 120)[-1].rstrip().endswith("1MB/s")
