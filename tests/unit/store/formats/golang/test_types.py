"""Go's scalar types, read from JSON and written as JSON."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

import pytest

from store.errors import InvalidDocument, TooLarge
from store.formats.golang.json import parse
from store.formats.golang.structs import unmarshal
from store.formats.golang.times import ZERO_TIME, GoTime
from store.formats.golang.types import BOOLEAN, INTEGER, STRING, TIME, Mismatch
from store.model.limits import DEFAULT_LIMITS, Limits

if TYPE_CHECKING:
    from store.formats.golang.types import Shape

S = TypeVar("S")
V = TypeVar("V")


def read(shape: Shape[S, V], text: str | bytes) -> V:
    data = text.encode() if isinstance(text, str) else text
    return unmarshal(shape, parse(data, DEFAULT_LIMITS, document="it"), document="it")


@pytest.mark.parametrize("shape", [STRING, BOOLEAN, INTEGER, TIME])
def test_null_keeps_the_old_value_of_a_scalar(shape: Shape[object, object]) -> None:
    old = object()
    assert shape.read(parse(b"null", DEFAULT_LIMITS, document="it"), old) is old


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("9223372036854775807", 2**63 - 1),
        ("-9223372036854775808", -(2**63)),
        ("-0", 0),
        ("null", 0),
    ],
)
def test_integers_have_64_bits(text: str, value: int) -> None:
    assert read(INTEGER, text) == value


@pytest.mark.parametrize(
    "text",
    [
        "9223372036854775808",
        "-9223372036854775809",
        "1" * 5000,
        "42.0",
        "1e3",
        '"1"',
        "true",
        "[]",
        "{}",
    ],
)
def test_other_numbers_are_refused(text: str) -> None:
    with pytest.raises(InvalidDocument, match=r"^it: expected 64-bit integer, found "):
        read(INTEGER, text)


@pytest.mark.parametrize(
    "text",
    ["5", "true", "[]", "{}", '""', '"bogus"', '"2020-01-01"', '"2020-01-01T00\\u003a00:00Z"'],
)
def test_other_values_are_not_times(text: str) -> None:
    with pytest.raises(InvalidDocument, match=r"^it: expected time, found"):
        read(TIME, text)


def test_a_time_is_never_empty_and_is_written_in_quotes() -> None:
    assert not TIME.is_empty(ZERO_TIME)
    assert TIME.write(GoTime(2020)) == b'"2020-01-01T00:00:00Z"'


def test_many_times_count_against_the_memory_of_the_document() -> None:
    document = parse(b'"2020-01-01T00:00:00Z"', Limits(json_memory_bytes=400), document="it")
    TIME.read(document, ZERO_TIME)
    with pytest.raises(TooLarge):
        TIME.read(document, ZERO_TIME)


def test_booleans_are_read_and_written() -> None:
    assert [read(BOOLEAN, text) for text in ("true", "false", "null")] == [True, False, False]
    assert [BOOLEAN.write(value) for value in (True, False)] == [b"true", b"false"]
    assert [BOOLEAN.is_empty(value) for value in (True, False)] == [False, True]


def test_a_mismatch_has_the_path_from_the_outside_in() -> None:
    mismatch = Mismatch("string", parse(b" 1", DEFAULT_LIMITS, document="it"), "a reason")
    mismatch.path += ["[3]", ".layers"]
    assert str(mismatch) == "layers[3]: expected string, found number 1, at byte 1: a reason"


def test_a_long_value_is_cut_short_in_the_message_and_cannot_steer_a_terminal() -> None:
    with pytest.raises(InvalidDocument) as caught:
        read(INTEGER, b'"' + b"\xc2\x9b[31m" * 1000 + b'"')
    assert len(caught.value.message) < 400
    assert "\x9b" not in caught.value.message
