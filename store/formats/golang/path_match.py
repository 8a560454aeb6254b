"""Name patterns of Go's ``path.Match``, which docker uses to filter references, with ``**`` added.

``*`` and ``?`` do not match a slash. A class in brackets, even if negated, can match a slash. A
backslash makes the next character literal. A part of the pattern that is ``**`` matches one or more
parts of the text; beside it, a class matches no slash. In any other place ``**`` means the same as
``*``, as in Go. Source: Go 1.19, path/match.go.
"""

from __future__ import annotations

import re
from typing import Final, TypeAlias

from store.errors import InvalidReference, printable
from store.model.base_errors import is_text

_ANY: Final = "[^/]"

_Chunks: TypeAlias = "list[list[str]]"
"""One part of a pattern, cut at its stars: each chunk is a list of expressions of a character."""


def compile_pattern(pattern: str) -> re.Pattern[str]:
    """Return a regular expression whose ``fullmatch`` says whether a text matches the pattern.

    Without ``**`` it agrees with ``path.Match``. Like ``path.Match``, the expression takes the
    first place after a star where the characters up to the next star match, and tries no other
    place. After ``**`` it takes the first place where the parts up to the next ``**`` match. So the
    time to match is linear in the length of the text.

    Raises:
        InvalidReference: Go refuses the pattern (``path.ErrBadPattern``), or it is not text.
    """
    if not is_text(pattern):
        raise InvalidReference(
            f"invalid pattern {printable(pattern)!r}: it is not UTF-8 text",
            text=pattern,
            hint="no name of an image has such bytes",
        )
    if "**" in pattern.split("/"):
        return re.compile(_runs(_parts(pattern)), re.DOTALL)
    return re.compile(_stars(_chunks(pattern)), re.DOTALL)


def _parts(pattern: str) -> list[_Chunks | None]:
    """Return the parts of a pattern, cut at its slashes; None for a part that is ``**``."""
    try:
        return [None if part == "**" else _chunks(part) for part in pattern.split("/")]
    except InvalidReference:
        raise _bad(pattern) from None


def _chunks(pattern: str) -> _Chunks:
    chunks: _Chunks = [[]]
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
    return chunks


def _stars(chunks: _Chunks, end: str = "") -> str:
    """Return an expression for chunks with a star between each two; ``end`` follows the last."""
    first, *starred = map("".join, chunks)
    if not starred:
        return first + end
    *middle, last = starred
    found = "".join(f"(?>[^/]*?{chunk})" for chunk in middle)
    return f"{first}{found}[^/]*{'?' if last else '+'}{last}{end}"


def _runs(parts: list[_Chunks | None]) -> str:
    """Return an expression for parts of which some are ``**``."""
    runs: list[list[str]] = [[]]
    for part in parts:
        if part is None:
            runs.append([])
        else:
            # A class that matched a slash would make the number of parts in a run unknown.
            chunks = [
                [f"(?!/){one}" if one.startswith(("[", ".")) else one for one in some]
                for some in part
            ]
            runs[-1].append(_stars(chunks, r"(?=/|\Z)"))
    first, *others = ["/".join(run) for run in runs]
    *middle, last = others
    # Every ** matches at least one part and the slash after that part.
    found = "".join(f"(?>.+?/{run}(?=/))/" if run else "[^/]++/" for run in middle)
    return (f"{first}/" if first else "") + found + (f".+?/{last}" if last else ".++")


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
            "use * and ? for any characters except a slash, ** for any parts, [a-z] for one"
            " character of a range, and \\ before a literal bracket or star"
        ),
    )


def literal_start(pattern: str) -> str:
    """Return the start of ``pattern`` up to its first special character.

    Every text that the pattern matches begins with it.
    """
    return re.split(r"[*?\[\\]", pattern, maxsplit=1)[0]
