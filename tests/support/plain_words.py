"""Phrases that a reader has to read twice, and a search for them in the project's files.

The search reads the docstrings, comments and string literals of a Python file. In a Markdown file,
it reads everything outside code blocks.
"""

from __future__ import annotations

import ast
import io
import re
import tokenize
from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_PEOPLE: Final = (
    "administrators?|anyone|attackers?|authors?|callers?|clients?|developers?|engineers?|everyone|"
    "maintainers?|operators?|people|persons?|readers?|reviewers?|strangers?|teams?|those|users?"
)


class Phrase(NamedTuple):
    """A banned phrase: its pattern, and what to write in its place."""

    pattern: re.Pattern[str]
    advice: str


def _phrase(pattern: str, advice: str) -> Phrase:
    return Phrase(re.compile(pattern, re.IGNORECASE), advice)


PHRASES: Final = (
    _phrase(
        r"(?<!\bthere )\b(?:is|are|was|were) no (?!longer\b|more\b|fewer\b|less\b|later\b|older\b"
        r"|newer\b|larger\b|smaller\b|matter\b|different\b)[a-z]",
        "say what was expected or what the thing is: `invalid X: expected Y`",
    ),
    _phrase(r"\banew\b", "`again`, or name the event"),
    _phrase(r"\bwho(?:m|so)?ever\b", "name the actor"),
    _phrase(
        r"\b(?:who|whom) (?!=|(?:\w+ ){1,3}(?:what|whom|which)\b)",
        "name the client, user, process or request",
    ),
    _phrase(r"\bof (?:which|whom) (?:only|nothing|none)\b", "write two sentences"),
    _phrase(r"\bone of them\b", "repeat the noun"),
    _phrase(r"\bthose (?:that|which) (?:are|were|have|had)\b", "use the noun"),
    _phrase(r"\bbut for\b", "`except`"),
    _phrase(r"\bwhat (?:came|comes|is here|was here|goes|went|lies|lay)\b", "use the noun"),
    _phrase(r"\bas of\b(?! (?:docker|version|python|the \d|\d|[A-Z]))", "`from … on`, or `at`"),
)
_PERSON_BEFORE: Final = re.compile(rf"\b(?:{_PEOPLE}),?\s*$", re.IGNORECASE)
_ONLY_SEE: Final = re.compile(r"^See `[^`]+`\.?(?:\s|$)")
_FENCE: Final = re.compile(r"^(?:```|~~~).*?^(?:```|~~~)\s*$", re.MULTILINE | re.DOTALL)
_CODE: Final = re.compile(r"`[^`\n]*`|\]\([^)]*\)|<[^>\n]*>")


class Finding(NamedTuple):
    """A banned phrase in a file: the line's number and text, and what to write."""

    line: int
    text: str
    advice: str


def findings(path: Path) -> Iterator[Finding]:
    """Yield the banned phrases of a Python or Markdown file, by line.

    Raises:
        SyntaxError: The Python file does not parse.
    """
    text = path.read_text(encoding="utf-8")
    for line, passage in _markdown(text) if path.suffix == ".md" else _python(text):
        yield from _judged(line, passage)


def _judged(line: int, passage: str) -> Iterator[Finding]:
    if _ONLY_SEE.match(passage.strip()):
        yield Finding(line, passage.strip().splitlines()[0], "say what it returns or does")
    flat = _CODE.sub(lambda match: re.sub(r"[A-Za-z]", "x", match.group()), passage)
    for pattern, advice in PHRASES:
        for match in pattern.finditer(flat):
            if match.group().lower().startswith("who") and _PERSON_BEFORE.search(
                flat[: match.start()]
            ):
                continue
            start = flat.rfind("\n", 0, match.start()) + 1
            end = flat.find("\n", match.end())
            shown = passage[start : end if end >= 0 else None].strip()
            yield Finding(line + flat.count("\n", 0, match.start()), shown, advice)


def _markdown(text: str) -> Iterator[tuple[int, str]]:
    blank = _FENCE.sub(lambda match: re.sub(r"[^\n]", " ", match.group()), text)
    yield 1, blank


def _python(text: str) -> Iterator[tuple[int, str]]:
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and " " in node.value:
            yield node.lineno, node.value
    block: list[str] = []
    first = previous = 0
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type != tokenize.COMMENT:
            continue
        if block and token.start[0] == previous + 1:
            block.append(token.string.lstrip("# "))
        else:
            if block:
                yield first, " ".join(block)
            block, first = [token.string.lstrip("# ")], token.start[0]
        previous = token.start[0]
    if block:
        yield first, " ".join(block)
