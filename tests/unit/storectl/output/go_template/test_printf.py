"""Go's fmt; the table of `test_template` compares most verbs with Go."""

from __future__ import annotations

import pytest

from storectl.output.go_template.printf import sprint, sprintf, sprintln
from storectl.output.go_template.values import MISSING, ValueFault


def test_print_puts_spaces_between_values_that_are_not_strings() -> None:
    assert sprint([1, 2, "a", 3, None, True]) == "1 2a3 <nil> true"
    assert sprintln(["a", 1]) == "a 1\n"


@pytest.mark.parametrize(
    ("form", "values", "shown"),
    [
        ("%5.1f%%", [1.25], "  1.2%"),
        ("%[2]s %[1]s", ["a", "b"], "b a"),
        ("%[9]d", [1], "%!d(MISSING)"),
        ("%*d", ["x", 1], "%!(BADWIDTH)1"),
        ("%-*d|", [-3, 1], "1  |"),
        ("%2000000d", [1], "%!(BADWIDTH)1"),
        ("%q", ["\a\v\x01"], r'"\a\v\x01"'),
        ("%c%U", [0x110000, 65], "\N{REPLACEMENT CHARACTER}U+0041"),
        ("%d", [MISSING], "%!d(<nil>)"),
        ("%O", [8], "0o10"),
    ],
)
def test_verbs(form: str, values: list[object], shown: str) -> None:
    assert sprintf(form, values) == shown


def test_an_object_is_refused() -> None:
    with pytest.raises(ValueFault, match="use json"):
        sprintf("%d", [{"a": {"b": 1}}])


def test_the_widths_of_one_text_have_a_ceiling() -> None:
    with pytest.raises(ValueFault, match="more than 67,108,864 characters"):
        sprintf("%1000000d" * 100, list(range(100)))
