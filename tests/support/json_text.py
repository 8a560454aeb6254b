"""Hypothesis strategies for JSON texts that Go's decoder reads, and a few that it refuses.

The strategies draw bytes, because some of the texts are not UTF-8.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from hypothesis import strategies as st

if TYPE_CHECKING:
    from collections.abc import Sequence

    from hypothesis.strategies import DrawFn, SearchStrategy

FAVOURITES: Final = (
    "<&>",
    "\u2028",
    "\u2029",
    "\ufffd",
    "\ufeff",
    "\u007f",
    "\u0080",
    "\u07ff",
    "\u0800",
    "\uffff",
    "\U00010000",
    "\U0010ffff",
    "𝄞",
    "e\u0301",
    "\u017f",
    "\u212a",
    "'",
    "/",
    "PATH=/usr/bin:/bin",
    "#(nop) ",
)
"""Characters that the encoder escapes, the first and last of each UTF-8 length, common text."""

ESCAPES: Final = (b'\\"', b"\\\\", b"\\/", b"\\b", b"\\f", b"\\n", b"\\r", b"\\t")
UNITS: Final = (
    0x00,
    0x01,
    0x08,
    0x0B,
    0x0C,
    0x1F,
    0x20,
    0x22,
    0x26,
    0x2F,
    0x3C,
    0x3E,
    0x5C,
    0x7F,
    0xE9,
    0x017F,
    0x2028,
    0x2029,
    0x212A,
    0xFEFF,
    0xFFFD,
    0xFFFF,
)
r"""Code units for ``\u`` escapes; surrogates are drawn separately."""

INVALID_UTF8: Final = (
    b"\x80",
    b"\xff",
    b"\xc0\xaf",  # an overlong form
    b"\xe2\x82",  # a truncated character
    b"\xe2\x82A",
    b"\xed\xa0\x80",  # a surrogate
    b"\xed\xa0\xbd\xed\xb8\x80",  # a pair of surrogates (CESU-8)
    b"\xf0\x9f\x98",
    b"\xf4\x90\x80\x80",  # beyond U+10FFFF
    b"\xf8\x88\x80\x80\x80",
    b"\xc3(",
)

WHITESPACE: Final = (b"", b" ", b"\n", b"\t", b"\r\n", b"\n    ", b" \t\r\n")

INTEGERS: Final = (0, 1, -1, 42, 30_000_000_000, 2**31, 2**53 + 1, 2**63 - 1, -(2**63))
NUMBERS: Final = (
    b"0",
    b"-0",
    b"1.50",
    b"1e3",
    b"1E+3",
    b"-0.0e-0",
    b"12345678901234567890",
    b"9007199254740993",
    b"1e400",
)

FOLDS: Final = {"s": "\u017f", "k": "\u212a"}
"""Letters beyond ASCII that fold to ASCII letters (docker-archive.md §2.1)."""


def _unit(code: int, *, upper: bool) -> bytes:
    return b"\\u" + (f"{code:04X}" if upper else f"{code:04x}").encode()


def _raw_characters() -> SearchStrategy[bytes]:
    return st.characters(
        min_codepoint=0x20, exclude_categories=["Cs"], exclude_characters='"\\'
    ).map(str.encode)


def _units() -> SearchStrategy[bytes]:
    codes = st.sampled_from(UNITS) | st.integers(0xD7FE, 0xE001) | st.integers(0, 0xFFFF)
    return st.builds(lambda code, upper: _unit(code, upper=upper), codes, st.booleans())


def _pairs() -> SearchStrategy[bytes]:
    return st.builds(
        lambda high, low, upper: _unit(high, upper=upper) + _unit(low, upper=upper),
        st.integers(0xD800, 0xDBFF),
        st.integers(0xDC00, 0xDFFF),
        st.booleans(),
    )


FRAGMENTS: Final[SearchStrategy[bytes]] = st.one_of(
    st.sampled_from(("a", "alpha", "/bin/sh", "-c", "x=1", " ", "0")).map(str.encode),
    st.sampled_from(FAVOURITES).map(str.encode),
    st.sampled_from(ESCAPES),
    _units(),
    _pairs(),
    _raw_characters(),
    st.sampled_from(INVALID_UTF8),
)


def strings(max_fragments: int = 4) -> SearchStrategy[bytes]:
    """Draw a string literal."""
    return st.lists(FRAGMENTS, max_size=max_fragments).map(
        lambda parts: b'"' + b"".join(parts) + b'"'
    )


def literal(text: str) -> bytes:
    """Return the plainest literal of ``text``, in which no character needs an escape."""
    return b'"' + text.encode() + b'"'


@st.composite
def escaped(draw: DrawFn, text: str) -> bytes:
    """Draw a literal of ``text`` with any of its characters as escapes."""
    marks = draw(st.integers(0, 2 ** min(len(text), 16) - 1))
    upper = draw(st.booleans())
    return (
        b'"'
        + b"".join(
            _unit(ord(char), upper=upper) if marks >> place & 1 else char.encode()
            for place, char in enumerate(text)
        )
        + b'"'
    )


@st.composite
def spelled(draw: DrawFn, name: str) -> bytes:
    """Draw a key that Go reads as ``name``.

    The key is ``name`` itself, or differs from ``name`` in case, in escapes, or in letters that
    fold to ASCII letters.
    """
    way = draw(
        st.sampled_from(("exact", "exact", "exact", "lower", "upper", "mixed", "folded", "escaped"))
    )
    if way == "mixed":
        marks = draw(st.integers(0, 2 ** len(name) - 1))
        name = "".join(
            char.swapcase() if marks >> place & 1 else char for place, char in enumerate(name)
        )
    elif way == "folded":
        name = "".join(FOLDS.get(char.lower(), char) for char in name)
    elif way == "escaped":
        return draw(escaped(name))
    elif way != "exact":
        name = name.lower() if way == "lower" else name.upper()
    return literal(name)


def integers(numbers: Sequence[int] = INTEGERS) -> SearchStrategy[bytes]:
    """Draw an integer in the range of Go's int64."""
    return (st.sampled_from(numbers) | st.integers(-(2**63), 2**63 - 1)).map(
        lambda number: str(number).encode()
    ) | st.just(b"-0")


def booleans() -> SearchStrategy[bytes]:
    return st.sampled_from((b"false", b"true"))


def nullable(values: SearchStrategy[bytes]) -> SearchStrategy[bytes]:
    """Draw one of ``values``, or null in one draw of eight."""
    return st.integers(0, 7).flatmap(lambda chance: st.just(b"null") if chance == 7 else values)


@st.composite
def array_of(draw: DrawFn, items: SearchStrategy[bytes], max_size: int = 4) -> bytes:
    return join_array(draw(st.lists(items, max_size=max_size)), draw(st.sampled_from(WHITESPACE)))


@st.composite
def object_of(
    draw: DrawFn, keys: SearchStrategy[bytes], values: SearchStrategy[bytes], max_size: int = 4
) -> bytes:
    """Draw an object, in which keys may repeat."""
    return join_object(
        draw(st.lists(st.tuples(keys, values), max_size=max_size)),
        draw(st.sampled_from(WHITESPACE)),
    )


def join_array(items: Sequence[bytes], space: bytes = b"") -> bytes:
    return b"[" + space + (space + b"," + space).join(items) + space + b"]"


def join_object(members: Sequence[tuple[bytes, bytes]], space: bytes = b"") -> bytes:
    return (
        b"{"
        + space
        + (space + b"," + space).join(key + space + b":" + space + value for key, value in members)
        + space
        + b"}"
    )


def anything() -> SearchStrategy[bytes]:
    """Draw a JSON value that is nested a few levels deep."""
    leaves = st.one_of(
        st.sampled_from((b"null", b"true", b"false", b"{}", b"[]")),
        st.sampled_from(NUMBERS),
        integers(),
        strings(2),
    )
    return st.recursive(
        leaves, lambda inner: array_of(inner, 3) | object_of(strings(2), inner, 3), max_leaves=5
    )
