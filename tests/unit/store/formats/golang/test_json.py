"""Tests for store.formats.golang.json."""

from __future__ import annotations

import time

import pytest

from store.errors import InvalidDocument, TooLarge
from store.formats.golang.json import Json, compact, parse, parse_first, quote
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
def test_every_kind_of_value_is_known(data: bytes, kind: str) -> None:
    value = read(data)
    assert value.kind == kind
    assert value.raw == data.strip()


def test_members_keep_their_order_their_repetitions_and_their_text() -> None:
    value = read(b'{ "b" : 1.50 , "a":[ 1 ] ,"b":{"x" :null}, "\\u0061":"\\/" }')
    assert [(key, member.raw) for key, member in value.members()] == [
        ("b", b"1.50"),
        ("a", b"[ 1 ]"),
        ("b", b'{"x" :null}'),
        ("a", b'"\\/"'),
    ]
    assert [member.start for _, member in value.members()] == [8, 19, 30, 52]


def test_elements_keep_their_order_and_their_text() -> None:
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
def test_strings_say_what_go_reads_in_them(raw: bytes, text: str) -> None:
    assert read(b'"' + raw + b'"').text() == text
    assert [key for key, _ in read(b'{"' + raw + b'":0}').members()] == [text]


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "expected a value, found the end, at byte 0"),
        (b"  ", "expected a value, found the end, at byte 2"),
        (b"\xef\xbb\xbf{}", r"expected a value, found '\\xef', at byte 0"),
        (b"nul", "expected a value, found 'n', at byte 0"),
        (b"nulls", "expected nothing more, found 's', at byte 4"),
        (b"True", "expected a value, found 'T', at byte 0"),
        (b"{} {}", "expected nothing more, found '{', at byte 3"),
        (b"1\x00", "expected nothing more"),
        (b"\x0b1", "expected a value"),
        (b"\xc2\xa01", "expected a value"),
        (b"01", "expected nothing more, found '1', at byte 1"),
        (b"[01]", "expected ',' or '\\]', found '1', at byte 2"),
        (b"-", "expected a value"),
        (b"+1", "expected a value"),
        (b".5", "expected a value"),
        (b"1.", "expected nothing more, found '.', at byte 1"),
        (b"1e", "expected nothing more"),
        (b"NaN", "expected a value"),
        (b"[", "expected a value, found the end, at byte 1"),
        (b"[1", "expected ',' or '\\]', found the end, at byte 2"),
        (b"[1 2]", "expected ',' or '\\]', found '2', at byte 3"),
        (b"[1,]", "expected a value, found '\\]', at byte 3"),
        (b"[,1]", "expected a value, found ',', at byte 1"),
        (b"[1}", "expected ',' or '\\]', found '}', at byte 2"),
        (b'{"a":1]', "expected ',' or '}', found '\\]', at byte 6"),
        (b"{", "expected a key in quotes, found the end, at byte 1"),
        (b"{a:1}", "expected a key in quotes, found 'a', at byte 1"),
        (b'{"a"}', "expected ':', found '}', at byte 4"),
        (b'{"a" 1}', "expected ':', found '1', at byte 5"),
        (b'{"a":}', "expected a value, found '}', at byte 5"),
        (b'{"a":1,}', "expected a key in quotes, found '}', at byte 7"),
        (b'{"a":1 "b":2}', "expected ',' or '}', found '\"', at byte 7"),
        (b'"abc', "expected a closing quote, found the end, at byte 4"),
        (b'"\\x"', "expected a valid escape"),
        (b'"\\u12g4"', "expected a valid escape"),
        (b'"\\', "expected a valid escape"),
        (b'"\n"', "expected no control character in a string"),
        (b'{"\x1f":1}', "expected no control character in a string"),
        (b"['a']", "expected a value"),
    ],
)
def test_what_is_not_json_is_refused_at_the_byte_that_is_wrong(data: bytes, message: str) -> None:
    with pytest.raises(InvalidDocument, match="^it: not JSON: .*" + message):
        read(data)


def test_the_first_value_can_be_read_without_what_follows_it() -> None:
    assert parse_first(b' {"a":1}garbage', DEFAULT_LIMITS, document="it").raw == b'{"a":1}'
    with pytest.raises(InvalidDocument, match="found the end"):
        parse_first(b'{"a":1', DEFAULT_LIMITS, document="it")


def test_nesting_up_to_the_ceiling_is_read_and_no_deeper() -> None:
    limits = Limits(json_depth=3)
    assert parse(b'[{"a":[]}]', limits, document="it").kind == "array"
    with pytest.raises(
        InvalidDocument, match="no more than 3 levels of nesting, found '\\[', at byte 7"
    ):
        parse(b'[{"a":[[]]}]', limits, document="it")


def test_ten_thousand_levels_are_no_recursion() -> None:
    deep = b"[" * 10_000 + b"]" * 10_000
    value = read(deep)
    assert sum(1 for _ in value.items()) == 1
    assert value.raw == deep
    with pytest.raises(InvalidDocument, match="nesting"):
        read(b"[" + deep + b"]")


def test_a_text_as_long_as_the_ceiling_is_read_and_no_longer() -> None:
    assert parse(b"[1]", Limits(json_bytes=3), document="it").raw == b"[1]"
    with pytest.raises(TooLarge, match="it: 4 bytes of JSON, at most 3 are read") as caught:
        parse(b"[10]", Limits(json_bytes=3), document="it")
    assert caught.value.limit == 3


@pytest.mark.parametrize(
    "data",
    [
        b'"' + b"\\n" * 100_000 + b'"',
        b'{"' + b"\\u0041" * 5000 + b'":[' + b"1," * 50_000 + b"1]}",
        b"[" + b'{"a":"\\"","b":[]},' * 20_000 + b"{}]",
        b"[" + b"-1.5e-7," * 100_000 + b"0]",
    ],
)
def test_long_texts_take_time_in_proportion(data: bytes) -> None:
    begin = time.process_time()
    assert read(data).raw == data
    assert time.process_time() - begin < 5


def test_a_long_string_of_escapes_is_read_whole() -> None:
    assert read(b'"' + b"\\n" * 3000 + b'"').text() == "\n" * 3000
    assert [key for key, _ in read(b'{"' + b"\\t" * 3000 + b'":1}').members()] == ["\t" * 3000]


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ('"\\/', rb'"\"\\/"'),
        ("\n\r\t", rb'"\n\r\t"'),
        ("\b\f\x00\x1f", rb'"\u0008\u000c\u0000\u001f"'),
        ("<>&", rb'"\u003c\u003e\u0026"'),
        ("\u2027\u2028\u2029\u202a", b'"\xe2\x80\xa7\\u2028\\u2029\xe2\x80\xaa"'),
        ("'\x7fé😀\ufffd", '"\'\x7fé😀\ufffd"'.encode()),
        ("a\udc80b", b'"a\\ufffdb"'),
    ],
)
def test_strings_are_written_as_go_writes_them(text: str, written: bytes) -> None:
    assert quote(text) == written


@pytest.mark.parametrize(
    ("raw", "written"),
    [
        (b' { "a" :\n[ 1.50 ,\t1e3 ] }\r', b'{"a":[1.50,1e3]}'),
        (b'" a \\" b "', b'" a \\" b "'),
        (b'"\\/\\u003c<>&"', b'"\\/\\u003c\\u003c\\u003e\\u0026"'),
        ('"\u2028\u2029\u202a"'.encode(), b'"\\u2028\\u2029\xe2\x80\xaa"'),
        (b'"\xff\xe2\x80"', b'"\xff\xe2\x80"'),
        (b'{"<" : "\\\\" , "b":"" }', b'{"\\u003c":"\\\\","b":""}'),
        (b"12345678901234567890", b"12345678901234567890"),
    ],
)
def test_raw_text_is_compacted_as_go_compacts_it(raw: bytes, written: bytes) -> None:
    assert compact(raw) == written


def test_values_up_to_the_ceiling_are_read_and_no_more() -> None:
    limits = Limits(json_values=4)
    assert parse(b'[1,{"a":"[,{"}]', limits, document="it").kind == "array"
    for data in (b"[1,2,3,4]", b'[1,{"a":"","b":0}]', b"[[[[[]]]]]", b'[{},"",[],0]'):
        with pytest.raises(
            TooLarge, match="it: more than 4 values, the most that are read from one JSON document"
        ) as caught:
            parse(data, limits, document="it")
        assert caught.value.limit == 4
    # What follows the first value is not read, and does not count.
    assert parse_first(b"[1,2] [1,2,3,4,5]", limits, document="it").raw == b"[1,2]"


def test_marks_inside_of_strings_are_no_values() -> None:
    assert (
        parse(
            b'{"%s":"%s"}' % (b'[{,\\"' * 50, b",[{" * 50), Limits(json_values=3), document="it"
        ).kind
        == "object"
    )


def test_too_many_simple_values_are_seen_before_the_end() -> None:
    with pytest.raises(TooLarge):
        parse(b"[" + b"0," * 5000 + b"broken", Limits(json_values=1000), document="it")


def test_strings_have_a_ceiling_where_they_are_taken() -> None:
    limits = Limits(json_string_bytes=5)
    value = parse(b'{"long key":1,"a":"12345","b":"123456"}', limits, document="it")
    with pytest.raises(TooLarge, match="it: a string of 8 bytes, at byte 1: at most 5 are read"):
        list(value.members())
    first, second = parse(b'["12345","123456"]', limits, document="it").items()
    assert first.text() == "12345"
    for take in (second.text, second.string):
        with pytest.raises(
            TooLarge, match="it: a string of 6 bytes, at byte 9: at most 5 are read"
        ):
            take()


def test_what_is_made_of_a_document_has_a_ceiling() -> None:
    with pytest.raises(
        TooLarge,
        match="it: its text, values and strings together take more than 1000 bytes of memory",
    ):
        parse(b"[" + b"1," * 9 + b"1]", Limits(json_memory_bytes=1000), document="it")
    data = b'"%s"' % (b"a" * 1000)
    assert parse(data, Limits(json_memory_bytes=2400), document="it").text() == "a" * 1000
    for text in (b"a" * 994 + b"\\u2028", b"a" * 996 + "😀".encode()):
        # One wide character makes all of them wide: counted before it happens.
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
