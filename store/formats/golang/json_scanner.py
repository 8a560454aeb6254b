"""The grammar of JSON as Go 1.19 checks it: patterns, and functions that find where values end.

Functions take and return positions in the text. They build no values and use no recursion.
"""

from __future__ import annotations

import re
from typing import Final

from store.errors import printable

# Three rules keep these patterns linear in time and constant in memory. Every repetition of a group
# is bounded, because `re` remembers each round. Every repetition of a character class is
# possessive. The token after a class never begins with a character of that class. Possessive groups
# would make the bounds unnecessary, but CPython before 3.11.5 matches them wrongly (gh-106052).
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


SPACE: Final = _pattern(rb"<space>")
_STRING: Final = _pattern(rb"<string>")
_STRING_PART: Final = _pattern(rb"<plain>(?:<escape><plain>){0,1000}")
SIMPLE: Final = _pattern(rb"<simple>")
_VALUE_START: Final = _pattern(rb"<space>(?:<simple>|[\[{])")
_RUN: Final = 1000
_SIMPLE_ELEMENTS: Final = _pattern(rb"(?:<space><simple><space>,){0,%d}" % _RUN)
_SIMPLE_MEMBERS: Final = _pattern(
    rb"(?:<space><string><space>:<space><simple><space>,){0,%d}" % _RUN
)
COLON: Final = _pattern(rb"<space>:")
ARRAY_END: Final = _pattern(rb"<space>\]")
OBJECT_END: Final = _pattern(rb"<space>\}")
AFTER_VALUE: Final = _pattern(rb"<space>[,\]}]")
MEMBER: Final = _pattern(rb"<space>(<string>)<space>:<space>(?:(<simple>)<space>[,}])?")
"""A member's key with the colon. If the value is simple: the value too, with what follows it."""
ELEMENT: Final = _pattern(rb"<space>(<simple>)<space>[,\]]")
"""A simple element, with what follows it."""

ARRAY, OBJECT, _COMMA, QUOTE = b'[{,"'
_BRACKETS: Final = b"[]{}"
CLOSER: Final = {ARRAY: ord("]"), OBJECT: ord("}")}


class SyntaxFault(Exception):
    """The text is not JSON: ``data`` does not have ``wanted`` at ``offset``."""

    def __init__(self, wanted: str, data: bytes, offset: int) -> None:
        found = (
            printable(repr(data[offset : offset + 1])[1:])
            if offset < len(data)
            else "the end of the text"
        )
        super().__init__(f"expected {wanted}, found {found}, at byte {offset}")


class TooManyValues(Exception):
    """The text has more values than the ceiling allows."""


def skip(pattern: re.Pattern[bytes], data: bytes, pos: int) -> int:
    """Return the end of the match of ``pattern`` at ``pos``.

    The caller ensures that there is a match: the text has been checked, or the pattern also matches
    the empty string.
    """
    match = pattern.match(data, pos)
    assert match is not None, f"checked text must match at {pos}"  # noqa: S101 - a bug of ours, not input
    return match.end()


def count_values(data: bytes, start: int, end: int, enough: int) -> int:
    """Return the number of values in the well-formed text ``data[start:end]``.

    Args:
        data: The document's bytes.
        start: Offset of the text's first byte.
        end: Offset after the text's last byte.
        enough: Counting may stop above this number. Then the result is any number above it.
    """
    # Every value except the first follows a comma or an opening bracket. The quick count includes
    # commas and brackets inside strings, so it is never below the true number.
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
        pos = string_end(data, opening)
    return values


def value_end(data: bytes, pos: int, max_depth: int, max_values: int) -> int:
    """Return the end of the value that begins at or after ``pos``, and check every byte of it.

    Open containers are kept in a list, so nesting needs no recursion. One match of `re` covers a
    whole run of simple values, which is fast.

    Args:
        data: The document's bytes.
        pos: Offset of the value, or of white space before it.
        max_depth: How deep containers may be nested.
        max_values: How many values to check before giving up.

    Raises:
        SyntaxFault: The bytes are not a JSON value, or containers are nested deeper than
            ``max_depth``.
        TooManyValues: The value certainly has more than ``max_values`` values.
    """
    open_containers = bytearray()
    looked_at = 0
    while True:
        looked_at += 1
        if looked_at > max_values:
            raise TooManyValues
        match = _VALUE_START.match(data, pos)
        pos = match.end() if match else _odd_value_end(data, pos)
        container = data[pos - 1]
        if len(open_containers) >= max_depth and container in _BRACKETS:
            raise SyntaxFault(
                f"no more than {max_depth} levels of nesting",
                data,
                max(data.rfind(b"[", 0, pos), data.rfind(b"{", 0, pos)),
            )
        if container in (ARRAY, OBJECT):
            open_containers.append(container)
            pos = _next_value(
                data, pos, container, max_values, in_runs=len(open_containers) < max_depth
            )
            continue
        while open_containers:
            container = open_containers[-1]
            after = AFTER_VALUE.match(data, pos)
            found = data[after.end() - 1] if after else None
            if after is None or found not in (_COMMA, CLOSER[container]):
                raise SyntaxFault(
                    f"',' or '{chr(CLOSER[container])}'", data, skip(SPACE, data, pos)
                )
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
    """Return the start of the next value to check.

    With ``in_runs``, all simple elements or members that have a successor are skipped. In an
    object, the key of the next member is skipped as well. ``in_runs`` is false at the depth
    ceiling: the patterns treat an empty container as simple, but there such a container is one
    level too deep.
    """
    if in_runs:
        simple = _SIMPLE_ELEMENTS if container == ARRAY else _SIMPLE_MEMBERS
        passed = -_RUN
        while (end := skip(simple, data, pos)) != pos:
            pos = end
            # Every run except the last has the same length.
            passed += _RUN
            if passed > max_values:
                raise TooManyValues
    if container == ARRAY:
        return pos
    start = skip(SPACE, data, pos)
    if data[start : start + 1] != b'"':
        raise SyntaxFault("a key in quotes", data, start)
    end = string_end(data, start)
    colon = COLON.match(data, end)
    if colon is None:
        raise SyntaxFault("':'", data, skip(SPACE, data, end))
    return colon.end()


def _odd_value_end(data: bytes, pos: int) -> int:
    """Return the end of a string with many escapes, which the patterns do not match.

    Raises:
        SyntaxFault: The value is not a string.
    """
    start = skip(SPACE, data, pos)
    if data[start : start + 1] != b'"':
        raise SyntaxFault("a value", data, start)
    return string_end(data, start)


def string_end(data: bytes, start: int) -> int:
    """Return the end of the string whose opening quote is at ``start``.

    Raises:
        SyntaxFault: The string does not end, or has a bad escape or a control character.
    """
    match = _STRING.match(data, start)
    if match:
        return match.end()
    pos = start + 1
    while (end := skip(_STRING_PART, data, pos)) != pos:
        pos = end
    if data[pos : pos + 1] == b'"':
        return pos + 1
    wanted = {b"": "a closing quote", b"\\": "a valid escape"}.get(
        data[pos : pos + 1], "no control character in a string"
    )
    raise SyntaxFault(wanted, data, pos)
