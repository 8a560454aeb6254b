"""Name patterns of Go's ``path.Match``, which docker uses to filter references.

``*`` and ``?`` do not match a slash. A class in brackets, even if negated, can match a slash. A
backslash makes the next character literal. Source: Go 1.19, path/match.go.
"""

from __future__ import annotations

import re
from typing import Final

from store.errors import InvalidReference, printable

_STAR: Final = "[^/]*"
_ANY: Final = "[^/]"


def compile_pattern(pattern: str) -> re.Pattern[str]:
    """Return a regular expression whose ``fullmatch`` agrees with ``path.Match``.

    Like ``path.Match``, the expression takes the first place after a star where the characters up
    to the next star match, and tries no other place. So the time to match is linear in the length
    of the text.

    Raises:
        InvalidReference: Go refuses the pattern (``path.ErrBadPattern``).
    """
    chunks: list[list[str]] = [[]]
    at = 0
    while at < len(pattern):
        char = pattern[at]
        if char == "[":
            part, at = _class(pattern, at + 1)
        elif char == "?":
            part, at = _ANY, at + 1
        elif char == "*":
            at += 1
            # Several stars in a row mean the same as one.
            if len(chunks) == 1 or chunks[-1]:
                chunks.append([])
            continue
        else:
            literal, at = _literal(pattern, at)
            part = re.escape(literal)
        chunks[-1].append(part)
    first, *starred = map("".join, chunks)
    if not starred:
        return re.compile(first, re.DOTALL)
    *middle, last = starred
    found = "".join(f"(?>{_STAR}?{chunk})" for chunk in middle)
    return re.compile(f"{first}{found}{_STAR}{'?' if last else '+'}{last}", re.DOTALL)


def _class(pattern: str, at: int) -> tuple[str, int]:
    """Return the expression for the class that starts before ``at``, and the class's end."""
    negated = pattern.startswith("^", at)
    at += negated
    ranges: list[tuple[str, str]] = []
    while not (ranges and pattern.startswith("]", at)):
        if at >= len(pattern) or pattern[at] in "-]":
            raise _bad(pattern)
        low, at = _literal(pattern, at)
        high = low
        if pattern.startswith("-", at):
            if pattern[at + 1 : at + 2] in ("", "-", "]"):
                raise _bad(pattern)
            high, at = _literal(pattern, at + 1)
        ranges.append((low, high))
    inside = "".join(f"{re.escape(low)}-{re.escape(high)}" for low, high in ranges if low <= high)
    if not inside:
        # A range with its ends reversed matches no character.
        return ("." if negated else "(?!)"), at + 1
    return f"[{'^' * negated}{inside}]", at + 1


def _literal(pattern: str, at: int) -> tuple[str, int]:
    if pattern[at] == "\\":
        at += 1
    if at >= len(pattern):
        raise _bad(pattern)
    return pattern[at], at + 1


def _bad(pattern: str) -> InvalidReference:
    return InvalidReference(
        f"invalid pattern {printable(pattern)!r}: a bracket is not closed, or nothing follows a"
        " backslash",
        text=pattern,
        hint=(
            "use * and ? for any characters except a slash, [a-z] for one character of a range, and"
            " \\ before a literal bracket or star"
        ),
    )


def literal_start(pattern: str) -> str:
    """Return the start of ``pattern`` up to its first special character.

    Every text that the pattern matches begins with it.
    """
    return re.split(r"[*?\[\\]", pattern, maxsplit=1)[0]
