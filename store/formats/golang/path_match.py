"""Patterns of names as Go's ``path.Match`` reads them, by which docker filters references (Go 1.19, path/match.go).

``*`` and ``?`` do not match a slash; a class in brackets, also a negated one, does. A backslash
takes the next character as it is.
"""

from __future__ import annotations

import re
from typing import Final

from store.errors import InvalidReference, printable

_ANY: Final = {"*": "[^/]*", "?": "[^/]"}


def compile_pattern(pattern: str) -> re.Pattern[str]:
    """A regular expression whose ``fullmatch`` says what ``path.Match`` would.

    Raises InvalidReference for what Go calls a bad pattern.
    """
    parts: list[str] = []
    at = 0
    while at < len(pattern):
        char = pattern[at]
        if char == "[":
            part, at = _class(pattern, at + 1)
        elif char in _ANY:
            part, at = _ANY[char], at + 1
        else:
            literal, at = _literal(pattern, at)
            part = re.escape(literal)
        # Several stars in a row mean the same as one, and cost more.
        if not parts or part != _ANY["*"] or parts[-1] != part:
            parts.append(part)
    return re.compile("".join(parts), re.DOTALL)


def _class(pattern: str, at: int) -> tuple[str, int]:
    """The class that opens before ``at``, and where it has ended."""
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
        # Ranges that run backwards hold nothing.
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
        f"syntax error in the pattern {printable(pattern)!r}",
        text=pattern,
        hint="* and ? stand for anything but a slash, [a-z] for one of a range",
    )


def literal_start(pattern: str) -> str:
    """What every text begins with that the pattern matches: its characters before the first one with a meaning."""
    return re.split(r"[*?\[\\]", pattern, maxsplit=1)[0]
