"""JSON text for terminals and pipes."""

from __future__ import annotations

import json

import pytest

from storectl.output.json_text import json_text


def test_printable_letters_are_not_escaped() -> None:
    assert json_text({"größe": "日本 😀"}) == '{"größe":"日本 😀"}'
    assert json_text({"a": [1]}, indent=2) == '{\n  "a": [\n    1\n  ]\n}'


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("\x1b[2J", r'"\u001b[2J"'),
        ("\x7f\x85", r'"\u007f\u0085"'),
        ("\u202e\ud800", r'"\u202e\ud800"'),
        ("\U000e0001", r'"\udb40\udc01"'),
    ],
)
def test_what_could_control_a_terminal_is_escaped(text: str, shown: str) -> None:
    assert json_text(text) == shown
    assert json.loads(shown) == text


@pytest.mark.parametrize("encoding", ["ascii", "no-such-encoding"])
def test_letters_that_the_output_lacks_are_escaped(encoding: str) -> None:
    assert json_text("é日", encoding=encoding) == r'"\u00e9\u65e5"'


def test_the_output_can_have_some_letters() -> None:
    assert json_text("é", encoding="latin-1") == '"é"'
