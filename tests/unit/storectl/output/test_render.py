"""Columns, lines, JSON and times in output; control characters are escaped."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import pytest

from storectl.output import render

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


def test_times_are_rfc_3339_or_those_of_go() -> None:
    moment = datetime(2026, 1, 2, 3, 4, 5, 600_000, tzinfo=UTC)
    assert render.time(moment) == "2026-01-02T03:04:05.600000Z"
    assert render.time(None) is None
    assert render.go_time(moment) == "2026-01-02 03:04:05 +0000 UTC"
    assert render.go_time(None) == "N/A"
