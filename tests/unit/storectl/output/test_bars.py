"""The numbers behind progress bars."""

from __future__ import annotations

from storectl.output.bars import Bars, Shown


def test_at_most_six_parts_have_a_bar_and_the_last_line_counts_the_others() -> None:
    bars = Bars()
    bars.total(4000)
    for number in range(400):
        bars.start(str(number), f"part {number}", 10)
    bars.finish("1")
    bars.advance("7", 4)
    *parts, others, total = bars.lines()
    assert [one.label for one in parts] == [f"part {number}" for number in (0, 2, 3, 4, 5, 6)]
    assert others == Shown("393 more")
    assert total == Shown("total", 4, 4000)


def test_finished_parts_leave_only_the_total() -> None:
    bars = Bars()
    bars.total(100)
    bars.start("a", "one", 60)
    bars.start("b", "two", None)
    bars.advance("b", 40)
    bars.advance("a", 60)
    bars.finish("b")
    bars.finish("a")
    assert bars.lines() == [Shown("total", 100, 100)]


def test_control_characters_in_a_label_are_escaped() -> None:
    bars = Bars()
    bars.start("a", "[bold]one\x1b[31m", None)
    assert bars.lines()[0].label == r"[bold]one\x1b[31m"
