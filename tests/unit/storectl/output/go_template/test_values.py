"""The text, truth, order and fields of values."""

from __future__ import annotations

from typing import Any

import pytest

from storectl.output.go_template.values import (
    MISSING,
    Map,
    ValueFault,
    equal,
    field,
    is_true,
    kind,
    less,
    text,
)


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (1e20, "1e+20"),
        (100000.0, "100000"),
        (1e-7, "1e-07"),
        ({"80/tcp": {}}, "map[80/tcp:{}]"),
        (Map(), "map[]"),
        (MISSING, "<no value>"),
    ],
)
def test_text(value: Any, shown: str) -> None:  # noqa: ANN401 - JSON
    assert text(value) == shown


def test_an_object_of_objects_has_no_text() -> None:
    with pytest.raises(ValueFault, match=r"name a field of it \(A\), or use json"):
        text({"A": {"B": 1}})


def test_fields_of_objects_and_of_maps() -> None:
    labels = field({"Labels": {"a": "1"}}, "Labels")
    assert field(labels, "a") == "1"
    assert field(labels, "b") is MISSING
    assert field({}, "StopSignal") == ""
    with pytest.raises(ValueFault, match="no field B; the fields are A"):
        field({"A": 1}, "B")


_FALSE: tuple[Any, ...] = (0, "", [], {}, None, MISSING, 0.0)


def test_truth() -> None:
    assert [is_true(value) for value in _FALSE] == [False] * 7
    assert all(map(is_true, (1, "a", [0], {"a": 0}, True)))


def test_comparisons_need_values_of_one_kind() -> None:
    assert equal("a", "a")
    assert not equal(None, 1)
    assert less(1, 2)
    with pytest.raises(ValueFault, match="a number cannot be compared with a string"):
        equal(1, "a")
    with pytest.raises(ValueFault, match="a list cannot be compared"):
        equal([1], [1])
    with pytest.raises(ValueFault, match="a boolean cannot be compared"):
        less(True, False)  # noqa: FBT003 - values of a template


def test_every_kind_has_words() -> None:
    values: tuple[Any, ...] = (MISSING, None, True, 1, "a", [], Map(), {})
    assert [kind(value).rpartition(" ")[2] for value in values] == [
        "value",
        "nil",
        "boolean",
        "number",
        "string",
        "list",
        "map",
        "object",
    ]
