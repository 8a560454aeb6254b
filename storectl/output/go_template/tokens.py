"""Cut a template into texts and actions, and an action into tokens.

Source: Go's text/template/parse, lex.go.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, final

from storectl.output.go_template.syntax import MAX_TEMPLATE_CHARACTERS, TemplateError

if TYPE_CHECKING:
    from collections.abc import Iterator

_TOKEN: Final = re.compile(
    r"(?P<space>[ \t\r\n]+)"
    r"|(?P<number>[-+]?\.?[0-9][0-9A-Za-z_.]*(?:(?<=[eE])[-+][0-9]+)?)"
    r"|(?P<field>\.[^\W0-9]\w*)"
    r"|(?P<variable>\$\w*)"
    r"|(?P<name>[^\W0-9]\w*)"
    r"|(?P<string>\"(?:[^\"\\\n]|\\[^\n])*\")"
    r"|(?P<raw>`[^`]*`)"
    r"|(?P<char>'(?:[^'\\\n]|\\[^\n])+')"
    r"|(?P<symbol>:=|[=|(),.])"
)
_ESCAPE: Final = re.compile(
    r"\\(?:x([0-9a-fA-F]{2})|u([0-9a-fA-F]{4})|U([0-9a-fA-F]{8})|([0-7]{3})|([^xuU0-7]))"
)
_SIMPLE_ESCAPES: Final = {
    "a": "\a",
    "b": "\b",
    "f": "\f",
    "n": "\n",
    "r": "\r",
    "t": "\t",
    "v": "\v",
    "\\": "\\",
    '"': '"',
    "'": "'",
}
_OPEN, _CLOSE = "{{", "}}"
_SPACES: Final = " \t\r\n"


@final
@dataclass(frozen=True, slots=True)
class Token:
    """A token of an action.

    Attributes:
        kind: ``space``, ``number``, ``field``, ``variable``, ``name``, ``string`` (unquoted),
            ``char``, ``symbol``, or ``end`` behind the last token.
        text: The characters of the token; for a string, its value.
        position: The offset in the template, in characters.
    """

    kind: str
    text: str
    position: int


@final
@dataclass(frozen=True, slots=True)
class Part:
    """A part of a template: a text, or an action (then ``tokens`` is not None)."""

    text: str
    tokens: tuple[Token, ...] | None
    position: int


def parts(template: str) -> Iterator[Part]:
    """Yield the texts and actions of a template; comments are left out.

    Raises:
        TemplateError: The template is too long, an action is not closed, or a token is invalid.
    """
    if len(template) > MAX_TEMPLATE_CHARACTERS:
        raise TemplateError(
            f"the template has {len(template):,} characters; the limit is"
            f" {MAX_TEMPLATE_CHARACTERS:,}",
            template,
            0,
        )
    at, trims = 0, False
    while True:
        start = template.find(_OPEN, at)
        text = template[at:] if start < 0 else template[at:start]
        if trims:
            text = text.lstrip(_SPACES)
        inside = start + len(_OPEN)
        if start >= 0 and template.startswith("-", inside) and template[inside + 1 :][:1].isspace():
            text = text.rstrip(_SPACES)
            inside += 2
        if text:
            yield Part(text, None, at)
        if start < 0:
            return
        tokens, at, trims = _action(template, start, inside)
        if tokens is not None:
            yield Part("", tokens, start)


def _action(template: str, start: int, at: int) -> tuple[tuple[Token, ...] | None, int, bool]:
    """Return the tokens of an action, its end, and whether it trims the text behind it."""
    if template.startswith("/*", at):
        end = template.find("*/", at + 2)
        trims = end >= 0 and template.startswith(" -}}", end + 2)
        closing = end + 2 + 2 * trims
        if end < 0 or not template.startswith(_CLOSE, closing):
            raise TemplateError("the comment is not closed with */}}", template, start)
        return None, closing + len(_CLOSE), trims
    tokens: list[Token] = []
    while not template.startswith(_CLOSE, at):
        if template.startswith("-}}", at) and tokens and tokens[-1].kind == "space":
            tokens.append(Token("end", "}}", at))
            return tuple(tokens), at + 3, True
        found = _TOKEN.match(template, at)
        if found is None:
            raise _unreadable(template, start, at)
        tokens.append(_token(template, found))
        at = found.end()
    tokens.append(Token("end", "}}", at))
    return tuple(tokens), at + len(_CLOSE), False


def _unreadable(template: str, start: int, at: int) -> TemplateError:
    if at >= len(template):
        return TemplateError(
            f"the action {template[start:][:40]!r} is not closed with }}}}", template, start
        )
    if template[at] in "\"'`":
        return TemplateError(f"the quote {template[at]} is not closed", template, at)
    return TemplateError(f"unexpected character {template[at]!r}", template, at)


def _token(template: str, found: re.Match[str]) -> Token:
    kind, text, position = str(found.lastgroup), found.group(), found.start()
    if kind == "raw":
        return Token("string", text[1:-1].replace("\r", ""), position)
    if kind in ("string", "char"):
        return Token(kind, _unquoted(template, text[1:-1], position), position)
    return Token(kind, text, position)


def _unquoted(template: str, text: str, position: int) -> str:
    """Return a string or a character without its escapes."""
    if "\\" not in text:
        return text

    def value(found: re.Match[str]) -> str:
        code = found[1] or found[2] or found[3]
        try:
            if code:
                return chr(int(code, 16))
            return chr(int(found[4], 8)) if found[4] else _SIMPLE_ESCAPES[found[5]]
        except (KeyError, ValueError, OverflowError):
            raise TemplateError(f"unknown escape {found.group()}", template, position) from None

    shown = _ESCAPE.sub(value, text)
    if "\\" in _ESCAPE.sub("", text):
        raise TemplateError("a string has an incomplete escape", template, position)
    return shown
