"""JSON as Go reads it agrees with Python's reader, and can be walked, compacted and quoted."""

from __future__ import annotations

import json
import re
from typing import Final

from store.errors import InvalidDocument
from store.formats.golang.json import Json, parse, parse_first
from store.formats.golang.json_writing import compact, quote
from store.model.limits import Limits

MAX_BYTES: Final = 2048
LIMITS: Final = Limits(json_depth=300)
SEEDS: Final = (
    b'{"a":[1,-2.5e+10,true,false,null,"x\\u00e9\\n"],"b":{"c":{}}}',
    b' [ [ ] , { } , "\\ud83d\\ude00" , 0 ] \r\n\t',
    b'"\xe2\x82\xac\xff\\ud800"',
    b'{"k":"' + b"\\n" * 70 + b'"}',
    b'{"dup":1,"dup":{"dup":[2]}}',
    b"[" * 40 + b"]" * 40,
    b"[" * 301,
    b"1e400",
    b"\xef\xbb\xbf{}",
)
TOKENS: Final = (
    b'{"',
    b'":',
    b"null",
    b"true",
    b"false",
    b"\\u",
    b"\\ud83d",
    b"\\ude00",
    b"1e-9",
    b"\xe2\x80\xa8",
    b"\xef\xbb\xbf",
    b"[[[[",
    b"<&>",
)
_SURROGATE: Final = re.compile("[\ud800-\udfff]")


def check(data: bytes) -> None:
    """Check that the text is accepted when Python's reader accepts it, with the same values."""
    try:
        value = parse(data, LIMITS, document="it")
    except InvalidDocument as exc:
        assert str(exc).startswith("it: ")
        if "levels of nesting" not in exc.message:
            assert not _python_reads(data)
        return
    read = _as_python(value)
    first = parse_first(data + b" ]}", LIMITS, document="it")
    assert (first.start, first.end) == (value.start, value.end)
    once = compact(value.raw)
    assert compact(once) == once
    assert len(_as_text(read)) > 0
    if _is_utf8(data):
        assert _as_text(_python(data)) == _as_text(read)
        assert _as_text(_python(once)) == _as_text(read)


def _as_python(value: Json) -> object:
    match value.kind:
        case "object":
            return ["object", [[key, _as_python(member)] for key, member in value.members()]]
        case "array":
            return [_as_python(item) for item in value.items()]
        case "string":
            text = value.text()
            assert parse(quote(text), LIMITS, document="it").text() == text
            return "s" + text
        case "number":
            return value.raw.decode()
        case _:
            return json.loads(value.raw)


def _python(data: bytes) -> object:
    return _tidied(
        json.loads(
            data.decode(), parse_float=_Number, parse_int=_Number, object_pairs_hook=_Members
        )
    )


class _Number(str):
    __slots__ = ()


class _Members(list[tuple[str, object]]):
    pass


def _tidied(value: object) -> object:
    match value:
        case _Number():
            return str(value)
        case str():
            return "s" + _SURROGATE.sub("\ufffd", value)
        case _Members():
            return ["object", [[_SURROGATE.sub("\ufffd", key), _tidied(one)] for key, one in value]]
        case list():
            return [_tidied(item) for item in value]
    return value


def _as_text(value: object) -> str:
    return json.dumps(value)


def _is_utf8(data: bytes) -> bool:
    try:
        data.decode()
    except UnicodeDecodeError:
        return False
    return True


def _refuse(name: str) -> float:
    raise ValueError(name)


def _python_reads(data: bytes) -> bool:
    try:
        json.loads(data.decode(errors="replace"), parse_constant=_refuse, parse_int=str)
    except ValueError:
        return False
    return True
