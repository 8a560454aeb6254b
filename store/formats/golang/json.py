"""A reader for JSON text by the rules of Go's ``encoding/json`` (docker-archive.md §2.1; Go 1.19).

As in Go, the whole document is checked before any value is read. Then values are read in place: a
`Json` is a span of the text. Strings and containers are built on demand, and each counts against
the ceilings of `store.model.limits`. So a hostile document takes time in proportion to its length,
and memory up to a ceiling. Order, repeated keys and the exact text are preserved.
`store.formats.golang.structs` turns the spans into typed values.
"""

from __future__ import annotations

import json
import re
from sys import getsizeof
from typing import TYPE_CHECKING, Final, NamedTuple, final

from store.errors import InvalidDocument, TooLarge
from store.formats.golang.json_scanner import (
    AFTER_VALUE,
    ARRAY,
    ARRAY_END,
    CLOSER,
    COLON,
    ELEMENT,
    MEMBER,
    OBJECT,
    OBJECT_END,
    QUOTE,
    SIMPLE,
    SPACE,
    SyntaxFault,
    TooManyValues,
    count_values,
    skip,
    string_end,
    value_end,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from store.model.limits import Limits

_KIND: Final = {
    ARRAY: "array",
    OBJECT: "object",
    QUOTE: "string",
    ord("t"): "bool",
    ord("f"): "bool",
    ord("n"): "null",
}
_UNBOUNDED: Final = 2**63
_SURROGATE: Final = re.compile("[\ud800-\udfff]")

_VALUE_BYTES: Final = 128
"""Memory of one value besides its text, in bytes: a list or dict entry, and part of an object.

The number was measured for the types of an image config.
"""

_SHORT_BYTES: Final = 512
"""A string of at most this length is decoded first and counted afterwards."""

_UCS4_BYTES: Final = 4
"""The most bytes for one character of a string. The widest character sets the size of all."""


@final
class Budget:
    """The memory that the values of one document may still take."""

    __slots__ = ("_document", "_left_bytes", "_limits")

    def __init__(self, limits: Limits, document: str) -> None:
        self._limits = limits
        self._document = document
        self._left_bytes = limits.json_memory_bytes

    def spend(self, size: int) -> None:
        """Count ``size`` bytes of memory.

        Raises:
            TooLarge: The document has used up ``limits.json_memory_bytes``.
        """
        self._left_bytes -= size
        if self._left_bytes < 0:
            raise self._too_much()

    def count(self, data: bytes, start: int, end: int) -> None:
        """Count the text and the values of ``data[start:end]``, which is well-formed JSON.

        Raises:
            TooLarge: There are too many values, or text and values take too much memory.
        """
        values = count_values(data, start, end, self._limits.json_values)
        if values > self._limits.json_values:
            raise self.too_many()
        self.spend(len(data) + values * _VALUE_BYTES)

    def string(self, data: bytes, start: int, end: int) -> bytes:
        """Return ``data[start:end]``, the inside of a string with its escapes.

        Raises:
            TooLarge: The string is longer than ``limits.json_string_bytes``.
        """
        limit = self._limits.json_string_bytes
        if end - start > limit:
            raise TooLarge(
                f"{self._document}: a string of {end - start} bytes at byte {start - 1}: the limit"
                f" is {limit} bytes",
                limit=limit,
            )
        return data[start:end]

    def text(self, data: bytes, start: int, end: int) -> str:
        """Return ``data[start:end]``, the inside of a string, with its escapes resolved.

        Raises:
            TooLarge: The string is too long, or the document has used up its memory.
        """
        raw = self.string(data, start, end)
        if len(raw) > _SHORT_BYTES:
            # Check before building the string: one wide character widens the whole string.
            need = len(raw) if raw.isascii() and b"\\" not in raw else len(raw) * _UCS4_BYTES
            if need > self._left_bytes:
                raise self._too_much()
        text = _unquote(raw)
        self.spend(getsizeof(text))
        return text

    def too_many(self) -> TooLarge:
        """Return the error for a document with more values than the ceiling."""
        limit = self._limits.json_values
        return TooLarge(
            f"{self._document}: the JSON has more than {limit} values, the limit for one document",
            limit=limit,
            hint="split the archive if it has many images: no single image needs so many values",
        )

    def _too_much(self) -> TooLarge:
        limit = self._limits.json_memory_bytes
        return TooLarge(
            f"{self._document}: its text, values and strings need more than {limit} bytes of"
            " memory",
            limit=limit,
        )


@final
class Json(NamedTuple):
    """One value of a checked document: the span ``data[start:end]``, without white space around it.

    ``budget`` counts every string that is read from the span. `text`, `string` and `members` raise
    TooLarge if a ceiling of the budget is exceeded.
    """

    data: bytes
    start: int
    end: int
    budget: Budget

    @property
    def kind(self) -> str:
        """Return ``object``, ``array``, ``string``, ``number``, ``bool`` or ``null``.

        Go's error messages use the same words.
        """
        return _KIND.get(self.data[self.start], "number")

    @property
    def raw(self) -> bytes:
        """Return the value's text as it was written."""
        return self.data[self.start : self.end]

    def text(self) -> str:
        """Return the string with its escapes resolved.

        Each byte that is not UTF-8, and each escaped half of a surrogate pair, reads as U+FFFD.

        Raises:
            TooLarge: The string is too long, or the document has used up its memory.
        """
        return self.budget.text(self.data, self.start + 1, self.end - 1)

    def string(self) -> bytes:
        """Return the bytes between the string's quotes, with escapes as written.

        Raises:
            TooLarge: The string is too long.
        """
        return self.budget.string(self.data, self.start + 1, self.end - 1)

    def quoted(self, size: int) -> bytes:
        """Return the first ``size`` bytes of the value's text, for messages."""
        return self.data[self.start : min(self.end, self.start + size)]

    def items(self) -> Iterator[Json]:
        """Yield the elements of an array, from first to last."""
        data, pos = self.data, self.start + 1
        if ARRAY_END.match(data, pos):
            return
        while data[pos - 1] != CLOSER[ARRAY]:
            match = ELEMENT.match(data, pos)
            if match is not None:
                yield Json(data, match.start(1), match.end(1), self.budget)
                pos = match.end()
                continue
            item = _locate(data, pos, self.budget)
            yield item
            pos = skip(AFTER_VALUE, data, item.end)

    def members(self) -> Iterator[tuple[str, Json]]:
        """Yield the members of an object as written, including repeated keys.

        Raises:
            TooLarge: A key is too long, or the document has used up its memory.
        """
        data, pos = self.data, self.start + 1
        if OBJECT_END.match(data, pos):
            return
        while data[pos - 1] != CLOSER[OBJECT]:
            match = MEMBER.match(data, pos)
            if match is not None and match.start(2) >= 0:
                key = self.budget.text(data, match.start(1) + 1, match.end(1) - 1)
                yield key, Json(data, match.start(2), match.end(2), self.budget)
                pos = match.end()
                continue
            key_start = skip(SPACE, data, pos)
            key_end = string_end(data, key_start)
            value = _locate(data, skip(COLON, data, key_end), self.budget)
            yield self.budget.text(data, key_start + 1, key_end - 1), value
            pos = skip(AFTER_VALUE, data, value.end)


def parse(data: bytes, limits: Limits, *, document: str) -> Json:
    """Check that ``data`` is exactly one JSON value, with or without white space around it.

    Args:
        data: The text. As in Go, it may contain bytes that are not UTF-8. A byte order mark is an
            error.
        limits: Ceilings for the text's length and nesting, and for its values and their memory.
        document: The document's name in errors.

    Returns:
        The value.

    Raises:
        InvalidDocument: The text is not JSON. The message has the offset of the wrong byte.
        TooLarge: The text is longer than ``limits.json_bytes``, has more than
            ``limits.json_values`` values, or needs more than ``limits.json_memory_bytes``.
    """
    value = parse_first(data, limits, document=document)
    end = skip(SPACE, data, value.end)
    if end != len(data):
        raise _invalid(SyntaxFault("the end of the text", data, end), document)
    return value


def parse_first(data: bytes, limits: Limits, *, document: str) -> Json:
    """Check that ``data`` begins with a JSON value, and ignore all bytes after it.

    Go's ``json.Decoder`` does the same.

    Args:
        data: The text, as for `parse`.
        limits: Ceilings, as for `parse`.
        document: The document's name in errors.

    Returns:
        The first value.

    Raises:
        InvalidDocument: The text does not begin with a JSON value.
        TooLarge: The text or the value exceeds a ceiling of ``limits``.
    """
    if len(data) > limits.json_bytes:
        raise TooLarge(
            f"{document}: the JSON has {len(data)} bytes: the limit is {limits.json_bytes} bytes",
            limit=limits.json_bytes,
        )
    start = skip(SPACE, data, 0)
    budget = Budget(limits, document)
    try:
        end = value_end(data, start, limits.json_depth, limits.json_values)
    except SyntaxFault as fault:
        raise _invalid(fault, document) from None
    except TooManyValues:
        raise budget.too_many() from None
    budget.count(data, start, end)
    return Json(data, start, end, budget)


def _invalid(fault: SyntaxFault, document: str) -> InvalidDocument:
    return InvalidDocument(f"invalid JSON: {fault}", document=document)


def _locate(data: bytes, pos: int, budget: Budget) -> Json:
    """Return the first value at or after ``pos`` in a text that has been checked."""
    start = skip(SPACE, data, pos)
    match = SIMPLE.match(data, start)
    return Json(
        data,
        start,
        match.end() if match else value_end(data, start, _UNBOUNDED, _UNBOUNDED),
        budget,
    )


def _unquote(raw: bytes) -> str:
    """Resolve the escapes in the bytes between a string's quotes."""
    try:
        text = raw.decode()
    except UnicodeDecodeError:
        # surrogateescape turns each invalid byte into a surrogate; valid UTF-8 has no surrogates.
        # (`replace` may turn several bytes into one U+FFFD; Go writes one U+FFFD for each byte.)
        text = _SURROGATE.sub("\ufffd", raw.decode(errors="surrogateescape"))
    if "\\" not in text:
        return text
    # Python joins surrogate pairs and resolves escapes as Go does, but keeps lone surrogates.
    resolved: str = json.loads(f'"{text}"')
    return _SURROGATE.sub("\ufffd", resolved)
