"""Columns, lines, JSON and times in output; control characters are escaped."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest

from storectl.output import render

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

EVIL = "\x1b[31mred\x07\r\x9b2J\u202e\ud800"


def test_columns_are_three_wider_than_their_widest_cell_and_at_least_ten(
    capsys: pytest.CaptureFixture[str],
) -> None:
    render.table(["TYPE", "TOTAL"], [["Images", "1"], ["a-long-repository", "22"]])
    assert (
        capsys.readouterr().out
        == "TYPE                TOTAL\nImages              1\na-long-repository   22\n"
    )
    render.table(["A", "B", "C"], [])
    assert capsys.readouterr().out == "A         B         C\n"


def test_no_line_ends_with_spaces(capsys: pytest.CaptureFixture[str]) -> None:
    render.table(["A", "COMMENT"], [["x", ""]])
    assert capsys.readouterr().out == "A         COMMENT\nx\n"


@pytest.mark.parametrize(
    "print_it",
    [
        render.line,
        lambda text: render.table(["HEAD"], [[text]]),
        render.document,
        lambda text: render.json_lines([{text: text}]),
    ],
)
def test_control_characters_are_escaped(
    capsys: pytest.CaptureFixture[str], print_it: object
) -> None:
    assert callable(print_it)
    print_it(EVIL)
    shown = capsys.readouterr().out
    assert "red" in shown
    assert shown.replace("\n", "").isprintable()


def test_json_keeps_letters_and_reads_back(capsys: pytest.CaptureFixture[str]) -> None:
    render.document({"name": "größe", "list": []})
    out = capsys.readouterr().out
    assert "größe" in out
    assert json.loads(out) == {"name": "größe", "list": []}
    render.json_lines([{"a": "1"}, {"a": "2"}])
    assert [json.loads(line) for line in capsys.readouterr().out.splitlines()] == [
        {"a": "1"},
        {"a": "2"},
    ]


@pytest.mark.parametrize("count", [0, 1, 2, 5000])
def test_an_array_is_printed_like_one_document(
    capsys: pytest.CaptureFixture[str], count: int
) -> None:
    values = [{"n": number, "text": "a\nb", "list": [[], {}, 1]} for number in range(count)]
    render.documents(iter(values))
    shown = capsys.readouterr().out
    render.document(values)
    assert shown == capsys.readouterr().out


def test_everything_is_read_before_the_first_line_is_printed(
    capsys: pytest.CaptureFixture[str],
) -> None:
    def rows() -> Iterator[list[str]]:
        for number in range(10_000):
            yield [str(number)]
        assert not capsys.readouterr().out

    printers: tuple[Callable[[], None], ...] = (
        lambda: render.table(["N"], rows()),
        lambda: render.lines(row[0] for row in rows()),
        lambda: render.json_lines(rows()),
        lambda: render.documents(rows()),
    )
    for print_it in printers:
        print_it()
        assert capsys.readouterr().out.count("9999") == 1


def test_rows_may_have_cells_without_a_header(capsys: pytest.CaptureFixture[str]) -> None:
    render.table(["A"], [["x", "more"], []])
    assert capsys.readouterr().out == "A\nx         more\n\n"


def test_times_are_rfc_3339_or_those_of_go() -> None:
    moment = datetime(2026, 1, 2, 3, 4, 5, 600_000, tzinfo=UTC)
    assert render.time(moment) == "2026-01-02T03:04:05.600000Z"
    assert render.time(None) is None
    assert render.go_time(moment) == "2026-01-02 03:04:05 +0000 UTC"
    assert render.go_time(None) == "N/A"
