"""JSON text as Go's ``json.Marshal`` writes it."""

from __future__ import annotations

import pytest

from store.formats.golang.json_writing import (
    compact,
    compact_size,
    quote,
    short_escapes,
    write_object,
)


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
def test_raw_json_is_compacted_as_go_compacts_it(raw: bytes, written: bytes) -> None:
    assert compact(raw) == written
    assert len(written) <= compact_size(raw)


def test_short_escapes_replaces_the_long_forms_of_backspace_and_form_feed_only() -> None:
    assert short_escapes(quote("\b\f\x00\n")) == rb'"\b\f\u0000\n"'
    # The backslash itself is escaped, so the characters after it are plain text.
    assert short_escapes(quote("\\u0008")) == rb'"\\u0008"'


def test_objects_have_their_keys_in_the_order_of_their_bytes() -> None:
    members = {"b": b"1", "a<": b"[]", "\U0001f600": b"2", "\uffff": b"3"}
    assert write_object(members) == '{"a\\u003c":[],"b":1,"\uffff":3,"\U0001f600":2}'.encode()
