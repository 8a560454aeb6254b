"""The grammar of JSON as Go checks it."""

from __future__ import annotations

import time

import pytest

from store.errors import InvalidDocument
from store.formats.golang.json import parse
from store.formats.golang.json_scanner import (
    SyntaxFault,
    TooManyValues,
    count_values,
    string_end,
    value_end,
)
from store.model.limits import DEFAULT_LIMITS


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "expected a value, found the end of the text, at byte 0"),
        (b"  ", "expected a value, found the end of the text, at byte 2"),
        (b"\xef\xbb\xbf{}", r"expected a value, found '\\xef', at byte 0"),
        (b"nul", "expected a value, found 'n', at byte 0"),
        (b"nulls", "expected the end of the text, found 's', at byte 4"),
        (b"True", "expected a value, found 'T', at byte 0"),
        (b"{} {}", "expected the end of the text, found '{', at byte 3"),
        (b"1\x00", "expected the end of the text"),
        (b"\x0b1", "expected a value"),
        (b"\xc2\xa01", "expected a value"),
        (b"01", "expected the end of the text, found '1', at byte 1"),
        (b"[01]", "expected ',' or '\\]', found '1', at byte 2"),
        (b"-", "expected a value"),
        (b"+1", "expected a value"),
        (b".5", "expected a value"),
        (b"1.", "expected the end of the text, found '.', at byte 1"),
        (b"1e", "expected the end of the text"),
        (b"NaN", "expected a value"),
        (b"[", "expected a value, found the end of the text, at byte 1"),
        (b"[1", "expected ',' or '\\]', found the end of the text, at byte 2"),
        (b"[1 2]", "expected ',' or '\\]', found '2', at byte 3"),
        (b"[1,]", "expected a value, found '\\]', at byte 3"),
        (b"[,1]", "expected a value, found ',', at byte 1"),
        (b"[1}", "expected ',' or '\\]', found '}', at byte 2"),
        (b'{"a":1]', "expected ',' or '}', found '\\]', at byte 6"),
        (b"{", "expected a key in quotes, found the end of the text, at byte 1"),
        (b"{a:1}", "expected a key in quotes, found 'a', at byte 1"),
        (b'{"a"}', "expected ':', found '}', at byte 4"),
        (b'{"a" 1}', "expected ':', found '1', at byte 5"),
        (b'{"a":}', "expected a value, found '}', at byte 5"),
        (b'{"a":1,}', "expected a key in quotes, found '}', at byte 7"),
        (b'{"a":1 "b":2}', "expected ',' or '}', found '\"', at byte 7"),
        (b'"abc', "expected a closing quote, found the end of the text, at byte 4"),
        (b'"\\x"', "expected a valid escape"),
        (b'"\\u12g4"', "expected a valid escape"),
        (b'"\\', "expected a valid escape"),
        (b'"\n"', "expected no control character in a string"),
        (b'{"\x1f":1}', "expected no control character in a string"),
        (b"['a']", "expected a value"),
    ],
)
def test_invalid_json_is_refused_with_the_offset_of_the_wrong_byte(
    data: bytes, message: str
) -> None:
    with pytest.raises(InvalidDocument, match="^it: invalid JSON: .*" + message):
        parse(data, DEFAULT_LIMITS, document="it")


@pytest.mark.parametrize(
    "data",
    [
        b'"' + b"\\n" * 100_000 + b'"',
        b'{"' + b"\\u0041" * 5000 + b'":[' + b"1," * 50_000 + b"1]}",
        b"[" + b'{"a":"\\"","b":[]},' * 20_000 + b"{}]",
        b"[" + b"-1.5e-7," * 100_000 + b"0]",
    ],
)
def test_long_texts_take_time_in_proportion_to_their_length(data: bytes) -> None:
    begin = time.process_time()
    assert value_end(data, 0, 10_000, 10**7) == len(data)
    assert time.process_time() - begin < 5


@pytest.mark.parametrize(
    ("data", "end"),
    [
        (b'"a" tail', 3),
        (b" [1, 2] tail", 7),
        (b'{"a":{"b":[]}},', 14),
        (b"-1.5e3,", 6),
        (b'"' + b"\\n" * 3000 + b'"x', 6002),
    ],
)
def test_a_value_ends_where_the_text_after_it_begins(data: bytes, end: int) -> None:
    assert value_end(data, 0, 10, 100) == end


def test_an_empty_container_counts_as_a_level_of_nesting() -> None:
    assert value_end(b"[[1]]", 0, 2, 100) == 5
    for data in (b"[[[]]]", b"[[1,{}]]"):
        with pytest.raises(SyntaxFault, match="no more than 2 levels of nesting"):
            value_end(data, 0, 2, 100)


def test_the_search_stops_after_the_ceiling_for_values() -> None:
    with pytest.raises(TooManyValues):
        value_end(b"[" + b"0," * 5000 + b"broken", 0, 10, 1000)
    with pytest.raises(TooManyValues):
        value_end(b"[" * 50, 0, 100, 10)


@pytest.mark.parametrize(
    ("data", "values"),
    [
        (b"1", 1),
        (b"[]", 2),  # an empty container counts as if it held one value
        (b"[1,2]", 3),
        (b'{"a":{"b":1},"c":2}', 4),
        (b'["[{,",",,"]', 3),
        (b'{"\\",[":1}', 2),
    ],
)
def test_commas_and_brackets_inside_strings_are_not_counted(data: bytes, values: int) -> None:
    assert count_values(data, 0, len(data), 0) <= values
    assert count_values(data, 0, len(data), values) == values


def test_a_string_ends_at_its_first_quote_that_is_not_escaped() -> None:
    assert string_end(b'"a\\"b"c"', 0) == 6
    assert string_end(b'xx""', 2) == 4
    with pytest.raises(SyntaxFault, match="a closing quote"):
        string_end(b'"abc\\"', 0)
