"""The functions of templates; the table of `test_template` compares them with Go."""

from __future__ import annotations

from typing import Any

import pytest

from storectl.output.go_template.functions import FUNCTIONS, MAX_SPLIT, as_headers, as_json
from storectl.output.go_template.values import MISSING, ValueFault


def call(name: str, *values: Any) -> Any:  # noqa: ANN401 - JSON
    return FUNCTIONS[name][2](values)


def test_json_is_compact_and_keeps_letters() -> None:
    assert as_json({"a": ["é<", None]}) == '{"a":["é<",null]}'
    assert as_json(MISSING) == "null"


@pytest.mark.parametrize(
    ("name", "values", "said"),
    [
        ("upper", (1,), "expected a string, got a number"),
        ("join", ("a", ","), "expected a list, got a string"),
        ("pad", ("a", -1, 0), "a negative number of spaces"),
        ("truncate", ("a", -1), "a negative length"),
        ("truncate", ("a", True), "expected an integer, got a boolean"),
        ("split", ("a" * (MAX_SPLIT + 1), ""), "more than 100,000 pieces"),
        ("split", ("," * (MAX_SPLIT + 1), ","), "more than 100,000 pieces"),
        ("join", ([""] * 1000, " " * 1_000_000), "more than 67,108,864 characters"),
        ("index", ("abc", 3), "index 3 of 3 element(s)"),
        ("index", (1, 0), "a number has no elements"),
        ("slice", ("abc", 2, 1), "part 2 to 1 of 3 element(s)"),
        ("slice", (1,), "expected a string or a list"),
        ("len", (1,), "a number has no length"),
    ],
)
def test_wrong_values_are_refused(name: str, values: tuple[Any, ...], said: str) -> None:
    with pytest.raises(ValueFault) as refused:
        call(name, *values)
    assert said in str(refused.value)


def test_truncate_cuts_no_letter_in_two() -> None:
    assert call("truncate", "aé", 2) == "a"


def test_headers_stay_as_they_are() -> None:
    for name in ("json", "join", "split", "lower", "upper", "title", "truncate"):
        assert as_headers()[name][2](["TAG", 1]) == "TAG"
