"""JSON text as Go's ``json.Marshal`` writes it (docker-archive.md §2.2; Go 1.19)."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from store.formats.golang.json_scanner import string_end

if TYPE_CHECKING:
    from collections.abc import Mapping

_UNSAFE: Final = re.compile('[\\x00-\\x1f"\\\\<>&\u2028\u2029\ud800-\udfff]')
_SHORT_ESCAPES: Final = {'"': '\\"', "\\": "\\\\", "\n": "\\n", "\r": "\\r", "\t": "\\t"}
_SHORTER: Final = {b"\\\\": b"\\\\", b"\\u0008": b"\\b", b"\\u000c": b"\\f"}
# The list includes the escaped backslash, so that the characters after it are not read as an
# escape.
_LONG_ESCAPE: Final = re.compile(b"|".join(map(re.escape, _SHORTER)))
_HTML: Final = tuple((char.encode(), f"\\u{ord(char):04x}".encode()) for char in "<>&\u2028\u2029")


def quote(text: str) -> bytes:
    """Return ``text`` as a JSON string; a lone surrogate becomes an escaped U+FFFD."""
    return f'"{_UNSAFE.sub(_escape, text)}"'.encode()


def short_escapes(text: bytes) -> bytes:
    r"""Return ``text`` with the escapes ``\b`` and ``\f``, as Go 1.22 and newer write it.

    Args:
        text: JSON as `quote` writes it (docker-archive.md §2.2).
    """
    return _LONG_ESCAPE.sub(lambda match: _SHORTER[match[0]], text)


def compact(raw: bytes) -> bytes:
    """Return well-formed JSON without white space between tokens, with HTML characters escaped.

    Go writes a ``json.RawMessage`` in this form. Numbers, escapes, the order of keys, and bytes
    that are not UTF-8 stay unchanged.
    """
    out = bytearray()
    pos = 0
    while (opening := raw.find(b'"', pos)) >= 0:
        out += raw[pos:opening].translate(None, b" \t\n\r")
        pos = string_end(raw, opening)
        out += raw[opening:pos]
    out += raw[pos:].translate(None, b" \t\n\r")
    # In well-formed JSON these characters occur only inside strings.
    for special, escaped in _HTML:
        out = out.replace(special, escaped)
    return bytes(out)


def compact_size(raw: bytes) -> int:
    """Return an upper bound for the length of ``compact(raw)``, in bytes."""
    return len(raw) + sum(
        raw.count(special) * (len(escaped) - len(special)) for special, escaped in _HTML
    )


def write_object(members: Mapping[str, bytes]) -> bytes:
    """Return a JSON object as Go writes a map: keys in the order of their bytes.

    Args:
        members: The values as JSON text, by key.
    """
    return b"{%s}" % b",".join(b"%s:%s" % (quote(key), members[key]) for key in sorted(members))


def _escape(match: re.Match[str]) -> str:
    char = match[0]
    return _SHORT_ESCAPES.get(char) or (
        "\\ufffd" if "\ud800" <= char <= "\udfff" else f"\\u{ord(char):04x}"
    )
