"""JSON text as Go's ``encoding/json`` reads it."""

from __future__ import annotations

import pytest

from store.errors import InvalidDocument, TooLarge
from store.formats.golang.json import Json, parse, parse_first
from store.model.limits import DEFAULT_LIMITS, Limits


def read(data: bytes) -> Json:
    return parse(data, DEFAULT_LIMITS, document="it")


@pytest.mark.parametrize(
    ("data", "kind"),
    [
        (b"{}", "object"),
        (b" [ ] ", "array"),
        (b'""', "string"),
        (b"0", "number"),
        (b"-0.5e+10", "number"),
        (b"true", "bool"),
        (b"false", "bool"),
        (b"\t\r\n null", "null"),
    ],
)
def test_the_kind_of_each_value_is_known(data: bytes, kind: str) -> None:
    value = read(data)
    assert value.kind == kind
    assert value.raw == data.strip()


def test_members_keep_order_repetitions_and_text() -> None:
    value = read(b'{ "b" : 1.50 , "a":[ 1 ] ,"b":{"x" :null}, "\\u0061":"\\/" }')
    assert [(key, member.raw) for key, member in value.members()] == [
        ("b", b"1.50"),
        ("a", b"[ 1 ]"),
        ("b", b'{"x" :null}'),
        ("a", b'"\\/"'),
    ]
    assert [member.start for _, member in value.members()] == [8, 19, 30, 52]


def test_elements_keep_order_and_text() -> None:
    assert [item.raw for item in read(b'[1 , "a" ,[ ], {"k":[2]} ,null]').items()] == [
        b"1",
        b'"a"',
        b"[ ]",
        b'{"k":[2]}',
        b"null",
    ]


@pytest.mark.parametrize("data", [b"[]", b"[ \n]"])
def test_an_empty_array_has_no_elements(data: bytes) -> None:
    assert list(read(data).items()) == []


@pytest.mark.parametrize("data", [b"{}", b"{ \n}"])
def test_an_empty_object_has_no_members(data: bytes) -> None:
    assert list(read(data).members()) == []


@pytest.mark.parametrize(
    ("raw", "text"),
    [
        (b"", ""),
        (rb"\"\\\/\b\f\n\r\t", '"\\/\b\f\n\r\t'),
        (rb"\u0041\u00e9\u20AC", "Aé€"),
        ("é€😀".encode(), "é€😀"),
        (rb"\ud83d\ude00", "😀"),
        (rb"\ud800", "\ufffd"),
        (rb"\udc00", "\ufffd"),
        (rb"\ud800\ud83d\ude00", "\ufffd😀"),
        (rb"\ude00\ud83d", "\ufffd\ufffd"),
        (rb"\ud800A", "\ufffdA"),
        (rb"\ud800\u0041", "\ufffdA"),
        (b"\xff", "\ufffd"),
        (b"\xe2\x82A", "\ufffd\ufffdA"),
        (b"\xf0\x9f\x98", "\ufffd\ufffd\ufffd"),
        (b"\xc0\x80", "\ufffd\ufffd"),
        (b"\xed\xa0\x80", "\ufffd\ufffd\ufffd"),
        (b"\xf4\x90\x80\x80", "\ufffd\ufffd\ufffd\ufffd"),
        (b"\xff\\ud83d\\ude00\xff", "\ufffd😀\ufffd"),
        (b"\\ud83d\xff\\ude00", "\ufffd\ufffd\ufffd"),
        ("\ufffd\u2028\x7f".encode(), "\ufffd\u2028\x7f"),
        (b"\xef\xbb\xbf", "\ufeff"),
    ],
)
def test_strings_are_decoded_as_go_decodes_them(raw: bytes, text: str) -> None:
    assert read(b'"' + raw + b'"').text() == text
    assert [key for key, _ in read(b'{"' + raw + b'":0}').members()] == [text]


def test_parse_first_ignores_the_text_after_the_first_value() -> None:
    assert parse_first(b' {"a":1}garbage', DEFAULT_LIMITS, document="it").raw == b'{"a":1}'
    with pytest.raises(InvalidDocument, match="found the end of the text"):
        parse_first(b'{"a":1', DEFAULT_LIMITS, document="it")


def test_nesting_deeper_than_the_ceiling_is_refused() -> None:
    limits = Limits(json_depth=3)
    assert parse(b'[{"a":[]}]', limits, document="it").kind == "array"
    with pytest.raises(
        InvalidDocument, match="no more than 3 levels of nesting, found '\\[', at byte 7"
    ):
        parse(b'[{"a":[[]]}]', limits, document="it")


def test_ten_thousand_levels_need_no_recursion() -> None:
    deep = b"[" * 10_000 + b"]" * 10_000
    value = read(deep)
    assert sum(1 for _ in value.items()) == 1
    assert value.raw == deep
    with pytest.raises(InvalidDocument, match="nesting"):
        read(b"[" + deep + b"]")


def test_a_text_longer_than_the_ceiling_is_refused() -> None:
    assert parse(b"[1]", Limits(json_bytes=3), document="it").raw == b"[1]"
    with pytest.raises(TooLarge, match="it: the JSON has 4 bytes: the limit is 3 bytes") as caught:
        parse(b"[10]", Limits(json_bytes=3), document="it")
    assert caught.value.limit == 3


def test_a_long_string_of_escapes_is_read_whole() -> None:
    assert read(b'"' + b"\\n" * 3000 + b'"').text() == "\n" * 3000
    assert [key for key, _ in read(b'{"' + b"\\t" * 3000 + b'":1}').members()] == ["\t" * 3000]


def test_more_values_than_the_ceiling_are_refused() -> None:
    limits = Limits(json_values=4)
    assert parse(b'[1,{"a":"[,{"}]', limits, document="it").kind == "array"
    for data in (b"[1,2,3,4]", b'[1,{"a":"","b":0}]', b"[[[[[]]]]]", b'[{},"",[],0]'):
        with pytest.raises(
            TooLarge, match="it: the JSON has more than 4 values, the limit for one document"
        ) as caught:
            parse(data, limits, document="it")
        assert caught.value.limit == 4
    # The text after the first value is not counted.
    assert parse_first(b"[1,2] [1,2,3,4,5]", limits, document="it").raw == b"[1,2]"


def test_too_many_simple_values_are_refused_before_the_end_of_the_text() -> None:
    with pytest.raises(TooLarge):
        parse(b"[" + b"0," * 5000 + b"broken", Limits(json_values=1000), document="it")


def test_a_string_longer_than_the_ceiling_is_refused_when_it_is_read() -> None:
    limits = Limits(json_string_bytes=5)
    value = parse(b'{"long key":1,"a":"12345","b":"123456"}', limits, document="it")
    with pytest.raises(TooLarge, match="it: a string of 8 bytes at byte 1: the limit is 5 bytes"):
        list(value.members())
    first, second = parse(b'["12345","123456"]', limits, document="it").items()
    assert first.text() == "12345"
    for take in (second.text, second.string):
        with pytest.raises(
            TooLarge, match="it: a string of 6 bytes at byte 9: the limit is 5 bytes"
        ):
            take()


def test_the_memory_of_a_document_has_a_ceiling() -> None:
    with pytest.raises(
        TooLarge,
        match="it: its text, values and strings need more than 1000 bytes of memory",
    ):
        parse(b"[" + b"1," * 9 + b"1]", Limits(json_memory_bytes=1000), document="it")
    data = b'"%s"' % (b"a" * 1000)
    assert parse(data, Limits(json_memory_bytes=2400), document="it").text() == "a" * 1000
    for text in (b"a" * 994 + b"\\u2028", b"a" * 996 + "😀".encode()):
        # One wide character widens the whole string, so the string is refused before it is built.
        with pytest.raises(TooLarge):
            parse(b'"%s"' % text, Limits(json_memory_bytes=2400), document="it").text()
    with pytest.raises(TooLarge):
        [
            one.text()
            for one in parse(
                b'["%s","%s"]' % (b"a" * 300, b"b" * 300),
                Limits(json_memory_bytes=1500),
                document="it",
            ).items()
        ]
