"""Positions in error messages."""

from __future__ import annotations

import pytest

from storectl.output.go_template.syntax import TemplateError


@pytest.mark.parametrize(
    ("position", "place"),
    [(0, "line 1, column 1"), (2, "line 1, column 3"), (3, "line 2, column 1"), (9, "line 3, co")],
)
def test_an_error_names_line_and_column(position: int, place: str) -> None:
    error = TemplateError("no field X", "ab\ncdef\nghi", position)
    assert error.message.startswith(f"invalid --format: {place}")
    assert error.message.endswith(": no field X")
