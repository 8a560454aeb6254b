"""JSON text as Go's ``encoding/json`` reads and writes it (docker-archive.md §2.1 and §2.2.

Go 1.19).

A document is checked whole before anything is taken from it, as Go does, and then read in place: a
`Json` is a piece of the text that knows where it starts and ends. Nothing is built that nobody asks
for, and what is built is counted against the ceilings of `store.model.limits`, so a hostile
document costs time in proportion to its length, and memory up to a ceiling. Order, repeated keys
and the exact text are there because they were never taken away. `store.formats.golang.structs`
makes typed values of it.
"""

from __future__ import annotations

import json
import re
from sys import getsizeof
from typing import TYPE_CHECKING, Final, NamedTuple, final

from store.errors import InvalidDocument, TooLarge, printable

if TYPE_CHECKING:
    from collections.abc import Iterator

    from store.model.limits import Limits

# Three rules keep these patterns linear in time and flat in memory: every repetition of a group is
# bounded (`re` remembers each round of it), every repetition of a character class is possessive,
# and what follows a class is never in it. A possessive *group* would do away with the bounds, but
# CPython before 3.11.5 matches those wrongly (gh-106052).
_GRAMMAR: Final = {
    b"<simple>": rb"(?:<string>|<number>|true|false|null|\[<space>\]|\{<space>\})",
    b"<string>": rb'"<plain>(?:<escape><plain>){0,64}"',
    b"<number>": rb"-?(?:0|[1-9][0-9]*+)(?:\.[0-9]++)?(?:[eE][+-]?[0-9]++)?",
    b"<plain>": rb'[^"\\\x00-\x1f]*+',
    b"<escape>": rb'\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4})',
    b"<space>": rb"[ \t\n\r]*+",
}


def _pattern(text: bytes) -> re.Pattern[bytes]:
    for name, meaning in _GRAMMAR.items():
        text = text.replace(name, meaning)
    return re.compile(text)


_SPACE: Final = _pattern(rb"<space>")
_STRING: Final = _pattern(rb"<string>")
_STRING_PART: Final = _pattern(rb"<plain>(?:<escape><plain>){0,1000}")
_SIMPLE: Final = _pattern(rb"<simple>")
_VALUE_START: Final = _pattern(rb"<space>(?:<simple>|[\[{])")
_RUN: Final = 1000
_SIMPLE_ELEMENTS: Final = _pattern(rb"(?:<space><simple><space>,){0,%d}" % _RUN)
_SIMPLE_MEMBERS: Final = _pattern(
    rb"(?:<space><string><space>:<space><simple><space>,){0,%d}" % _RUN
)
_COLON: Final = _pattern(rb"<space>:")
_ARRAY_END: Final = _pattern(rb"<space>\]")
_OBJECT_END: Final = _pattern(rb"<space>\}")
_AFTER_VALUE: Final = _pattern(rb"<space>[,\]}]")

_ARRAY, _OBJECT, _COMMA, _QUOTE = b'[{,"'
_BRACKETS: Final = b"[]{}"
_CLOSER: Final = {_ARRAY: ord("]"), _OBJECT: ord("}")}
_KIND: Final = {
    _ARRAY: "array",
    _OBJECT: "object",
    _QUOTE: "string",
    ord("t"): "bool",
    ord("f"): "bool",
    ord("n"): "null",
}
_UNBOUNDED: Final = 2**63

_VALUE_BYTES: Final = 128
"""What a value costs in memory, beside its text: an entry of a list or dict, a share of a small object. Measured over the shapes of an image config."""

_SHORT_BYTES: Final = 512
"""A string up to this length is decoded first and counted afterwards."""

_UCS4_BYTES: Final = 4
"""What one character of a string may occupy: the widest of them decides for all."""


@final
class Account:
    """What may still be made of one document."""

    __slots__ = ("_document", "_left_bytes", "_limits")

    def __init__(self, limits: Limits, document: str) -> None:
        self._limits = limits
        self._document = document
        self._left_bytes = limits.json_memory_bytes

    def spend(self, size: int) -> None:
        """Count ``size`` bytes of memory. Raises TooLarge."""
        self._left_bytes -= size
        if self._left_bytes < 0:
            raise self._too_much()

    def count(self, data: bytes, start: int, end: int) -> None:
        """Count the values of ``data[start:end]``, which is well-formed, and its text.

        Raises TooLarge.
        """
        values = _count_values(data, start, end, self._limits.json_values)
        if values > self._limits.json_values:
            raise self.too_many()
        self.spend(len(data) + values * _VALUE_BYTES)

    def string(self, data: bytes, start: int, end: int) -> bytes:
        """``data[start:end]``, the inside of a string, escapes and all. Raises TooLarge."""
        limit = self._limits.json_string_bytes
        if end - start > limit:
            raise TooLarge(
                f"{self._document}: a string of {end - start} bytes, at byte {start - 1}: at most"
                f" {limit} are read",
                limit=limit,
            )
        return data[start:end]

    def text(self, data: bytes, start: int, end: int) -> str:
        """What ``data[start:end]``, the inside of a string, says. Raises TooLarge."""
        raw = self.string(data, start, end)
        if len(raw) > _SHORT_BYTES:
            # Before it is there, not after: one wide character makes all of them wide.
            need = len(raw) if raw.isascii() and b"\\" not in raw else len(raw) * _UCS4_BYTES
            if need > self._left_bytes:
                raise self._too_much()
        text = _unquote(raw)
        self.spend(getsizeof(text))
        return text

    def too_many(self) -> TooLarge:
        """The error for a document of more values than the ceiling."""
        limit = self._limits.json_values
        return TooLarge(
            f"{self._document}: more than {limit} values, the most that are read from one JSON"
            " document",
            limit=limit,
            hint="no image needs so many; an archive of many images can be split",
        )

    def _too_much(self) -> TooLarge:
        limit = self._limits.json_memory_bytes
        return TooLarge(
            f"{self._document}: its text, values and strings together take more than {limit} bytes"
            " of memory",
            limit=limit,
        )


@final
class Json(NamedTuple):
    """One value inside a document that has been found to be well-formed.

    ``data[start:end]``, without the white space around it.

    Every string that is taken from it is counted in ``account``: `text`, `string` and `members`
    raise TooLarge beyond its ceilings.
    """

    data: bytes
    start: int
    end: int
    account: Account

    @property
    def kind(self) -> str:
        """``object``, ``array``, ``string``, ``number``, ``bool`` or ``null``: the words of Go's error messages."""
        return _KIND.get(self.data[self.start], "number")

    @property
    def raw(self) -> bytes:
        """The text as it was written."""
        return self.data[self.start : self.end]

    def text(self) -> str:
        """What a string says.

        Each byte that is not UTF-8, and each escaped half of a surrogate pair, reads as U+FFFD.
        """
        return self.account.text(self.data, self.start + 1, self.end - 1)

    def string(self) -> bytes:
        """What stands between a string's quotes, escapes not resolved."""
        return self.account.string(self.data, self.start + 1, self.end - 1)

    def quoted(self, size: int) -> bytes:
        """The first ``size`` bytes of the text as it was written, for messages."""
        return self.data[self.start : min(self.end, self.start + size)]

    def items(self) -> Iterator[Json]:
        """The elements of an array, in order."""
        data, pos = self.data, self.start + 1
        if _ARRAY_END.match(data, pos):
            return
        while data[pos - 1] != _CLOSER[_ARRAY]:
            item = _locate(data, pos, self.account)
            yield item
            pos = _skip(_AFTER_VALUE, data, item.end)

    def members(self) -> Iterator[tuple[str, Json]]:
        """The members of an object, in order, repeated keys included."""
        data, pos = self.data, self.start + 1
        if _OBJECT_END.match(data, pos):
            return
        while data[pos - 1] != _CLOSER[_OBJECT]:
            key_start = _skip(_SPACE, data, pos)
            key_end = _string_end(data, key_start)
            value = _locate(data, _skip(_COLON, data, key_end), self.account)
            yield self.account.text(data, key_start + 1, key_end - 1), value
            pos = _skip(_AFTER_VALUE, data, value.end)


def parse(data: bytes, limits: Limits, *, document: str) -> Json:
    """Check that ``data`` is exactly one JSON value, white space around it allowed.

    Args:
        data: The text. It need not be UTF-8, which JSON requires and Go does not check; a byte
            order mark is an error. limits: Ceilings for its length, its nesting, how many values it
            has and what they take in memory. document: What to call it in errors.

    Raises:
        InvalidDocument: It is not JSON; the message has the offset of the byte that is wrong.
            TooLarge: It is longer than ``limits.json_bytes``, or has more than
            ``limits.json_values`` values, or passes ``limits.json_memory_bytes``.
    """
    value = parse_first(data, limits, document=document)
    end = _skip(_SPACE, data, value.end)
    if end != len(data):
        raise _invalid(_Fault("nothing more", data, end), document)
    return value


def parse_first(data: bytes, limits: Limits, *, document: str) -> Json:
    """As `parse`, but stop after the first value and leave unread what follows it, as Go's ``json.Decoder`` does. Raises InvalidDocument, TooLarge."""
    if len(data) > limits.json_bytes:
        raise TooLarge(
            f"{document}: {len(data)} bytes of JSON, at most {limits.json_bytes} are read",
            limit=limits.json_bytes,
        )
    start = _skip(_SPACE, data, 0)
    account = Account(limits, document)
    try:
        end = _value_end(data, start, limits.json_depth, limits.json_values)
    except _Fault as fault:
        raise _invalid(fault, document) from None
    except _TooManyError:
        raise account.too_many() from None
    account.count(data, start, end)
    return Json(data, start, end, account)


def quote(text: str) -> bytes:
    """Write a string as Go's ``json.Marshal`` does (docker-archive.md §2.2).

    What has no UTF-8 form becomes an escaped U+FFFD.
    """
    return f'"{_UNSAFE.sub(_escape, text)}"'.encode()


def short_escapes(text: bytes) -> bytes:
    """Make of JSON as `quote` and its like write it what Go writes since 1.22: backspace and form feed have escapes of their own (docker-archive.md §2.2)."""
    return _LONG_ESCAPE.sub(lambda match: _SHORTER[match[0]], text)


def compact(raw: bytes) -> bytes:
    """Strip well-formed JSON text of the white space between its tokens, and escape as `quote` does what HTML or JavaScript might take for its own.

    This is what Go makes of a ``json.RawMessage``: numbers, escapes, the order of keys and bytes
    that are not UTF-8 stay as they were.
    """
    out = bytearray()
    pos = 0
    while (opening := raw.find(b'"', pos)) >= 0:
        out += raw[pos:opening].translate(None, b" \t\n\r")
        pos = _string_end(raw, opening)
        out += raw[opening:pos]
    out += raw[pos:].translate(None, b" \t\n\r")
    # Outside of strings none of these can occur.
    for special, escaped in _HTML:
        out = out.replace(special, escaped)
    return bytes(out)


def compact_size(raw: bytes) -> int:
    """No less than the length of what `compact` makes of ``raw``."""
    return len(raw) + sum(
        raw.count(special) * (len(escaped) - len(special)) for special, escaped in _HTML
    )


class _Fault(Exception):
    """The text is not JSON: ``wanted`` was not found at ``offset``."""

    def __init__(self, wanted: str, data: bytes, offset: int) -> None:
        found = printable(repr(data[offset : offset + 1])[1:]) if offset < len(data) else "the end"
        super().__init__(f"expected {wanted}, found {found}, at byte {offset}")


class _TooManyError(Exception):
    """There are more values than the ceiling."""


def _invalid(fault: _Fault, document: str) -> InvalidDocument:
    return InvalidDocument(f"not JSON: {fault}", document=document)


def _skip(pattern: re.Pattern[bytes], data: bytes, pos: int) -> int:
    """Return where a match of ``pattern`` at ``pos`` ends.

    There is one, because the text has been checked.
    """
    match = pattern.match(data, pos)
    assert match is not None, f"checked text must match at {pos}"  # noqa: S101 - a bug of ours, not input
    return match.end()


def _locate(data: bytes, pos: int, account: Account) -> Json:
    """Return the value at or after ``pos`` of a text that has been checked."""
    start = _skip(_SPACE, data, pos)
    match = _SIMPLE.match(data, start)
    return Json(
        data,
        start,
        match.end() if match else _value_end(data, start, _UNBOUNDED, _UNBOUNDED),
        account,
    )


def _count_values(data: bytes, start: int, end: int, enough: int) -> int:
    """How many values a well-formed text has.

    When it has more than ``enough``, any number above that.

    Every value but the first stands behind a comma or an opening bracket. The quick count takes
    those inside of strings for values, too.
    """
    values = (
        1
        + data.count(b",", start, end)
        + data.count(b"[", start, end)
        + data.count(b"{", start, end)
    )
    if values <= enough:
        return values
    values, pos = 1, start
    while values <= enough:
        opening = data.find(b'"', pos, end)
        stop = end if opening < 0 else opening
        values += (
            data.count(b",", pos, stop) + data.count(b"[", pos, stop) + data.count(b"{", pos, stop)
        )
        if opening < 0:
            break
        pos = _string_end(data, opening)
    return values


def _value_end(data: bytes, pos: int, max_depth: int, max_values: int) -> int:
    """Return where the value ends that begins at or after ``pos``, checking every byte of it.

    Raises _Fault.

    Open containers are on a stack of ours, not on Python's. Runs of simple values are taken in one
    match each, that is, at the speed of `re`; what is not taken in runs ends the search with
    _TooManyError after ``max_values``.
    """
    open_containers = bytearray()
    looked_at = 0
    while True:
        looked_at += 1
        if looked_at > max_values:
            raise _TooManyError
        match = _VALUE_START.match(data, pos)
        pos = match.end() if match else _odd_value_end(data, pos)
        container = data[pos - 1]
        if len(open_containers) >= max_depth and container in _BRACKETS:
            raise _Fault(
                f"no more than {max_depth} levels of nesting",
                data,
                max(data.rfind(b"[", 0, pos), data.rfind(b"{", 0, pos)),
            )
        if container in (_ARRAY, _OBJECT):
            open_containers.append(container)
            pos = _next_value(
                data, pos, container, max_values, in_runs=len(open_containers) < max_depth
            )
            continue
        while open_containers:
            container = open_containers[-1]
            after = _AFTER_VALUE.match(data, pos)
            found = data[after.end() - 1] if after else None
            if after is None or found not in (_COMMA, _CLOSER[container]):
                raise _Fault(f"',' or '{chr(_CLOSER[container])}'", data, _skip(_SPACE, data, pos))
            pos = after.end()
            if found == _COMMA:
                pos = _next_value(
                    data, pos, container, max_values, in_runs=len(open_containers) < max_depth
                )
                break
            open_containers.pop()
        else:
            return pos


def _next_value(data: bytes, pos: int, container: int, max_values: int, *, in_runs: bool) -> int:
    """Return where the next value to look at begins.

    Past elements or members that are simple and not the last, and past a member's key.

    Without ``in_runs`` every element is looked at: an empty container is simple, but at the ceiling
    it is one level too deep.
    """
    if in_runs:
        simple = _SIMPLE_ELEMENTS if container == _ARRAY else _SIMPLE_MEMBERS
        passed = -_RUN
        while (end := _skip(simple, data, pos)) != pos:
            pos = end
            # Only the last run is shorter than the others.
            passed += _RUN
            if passed > max_values:
                raise _TooManyError
    if container == _ARRAY:
        return pos
    start = _skip(_SPACE, data, pos)
    if data[start : start + 1] != b'"':
        raise _Fault("a key in quotes", data, start)
    end = _string_end(data, start)
    colon = _COLON.match(data, end)
    if colon is None:
        raise _Fault("':'", data, _skip(_SPACE, data, end))
    return colon.end()


def _odd_value_end(data: bytes, pos: int) -> int:
    """Return where the value ends whose beginning the patterns did not know: a string of many escapes, or a fault."""
    start = _skip(_SPACE, data, pos)
    if data[start : start + 1] != b'"':
        raise _Fault("a value", data, start)
    return _string_end(data, start)


def _string_end(data: bytes, start: int) -> int:
    """Return where the string that opens at ``start`` ends. Raises _Fault."""
    match = _STRING.match(data, start)
    if match:
        return match.end()
    pos = start + 1
    while (end := _skip(_STRING_PART, data, pos)) != pos:
        pos = end
    if data[pos : pos + 1] == b'"':
        return pos + 1
    wanted = {b"": "a closing quote", b"\\": "a valid escape"}.get(
        data[pos : pos + 1], "no control character in a string"
    )
    raise _Fault(wanted, data, pos)


def _unquote(raw: bytes) -> str:
    """Resolve the escapes of what stands between a string's quotes."""
    try:
        text = raw.decode()
    except UnicodeDecodeError:
        # One surrogate for each byte, and no others: UTF-8 has none. (`replace` would give one
        # U+FFFD for several bytes, where Go gives one for each.)
        text = _SURROGATE.sub("\ufffd", raw.decode(errors="surrogateescape"))
    if "\\" not in text:
        return text
    # Python joins and resolves escapes as Go does, but keeps halves of pairs as they are.
    resolved: str = json.loads(f'"{text}"')
    return _SURROGATE.sub("\ufffd", resolved)


def _escape(match: re.Match[str]) -> str:
    char = match[0]
    return _SHORT_ESCAPES.get(char) or (
        "\\ufffd" if "\ud800" <= char <= "\udfff" else f"\\u{ord(char):04x}"
    )


_SURROGATE: Final = re.compile("[\ud800-\udfff]")
_UNSAFE: Final = re.compile('[\\x00-\\x1f"\\\\<>&\u2028\u2029\ud800-\udfff]')
_SHORT_ESCAPES: Final = {'"': '\\"', "\\": "\\\\", "\n": "\\n", "\r": "\\r", "\t": "\\t"}
_SHORTER: Final = {b"\\\\": b"\\\\", b"\\u0008": b"\\b", b"\\u000c": b"\\f"}
# the backslash among them: what follows an escaped one is no escape
_LONG_ESCAPE: Final = re.compile(b"|".join(map(re.escape, _SHORTER)))
_HTML: Final = tuple((char.encode(), f"\\u{ord(char):04x}".encode()) for char in "<>&\u2028\u2029")
