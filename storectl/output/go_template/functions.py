"""The functions of templates: those of Go's text/template and those that docker adds.

Sources: Go's text/template, funcs.go; docker/cli, templates/templates.go.
"""

from __future__ import annotations

import html
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote_plus

from storectl.output.go_template.printf import sprint, sprintf, sprintln
from storectl.output.go_template.syntax import MAX_OUTPUT_CHARACTERS
from storectl.output.go_template.values import (
    Missing,
    Struct,
    ValueFault,
    equal,
    is_true,
    kind,
    less,
)
from storectl.output.json_text import json_text

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    Function = Callable[[Sequence[Any]], Any]

MAX_SPLIT: Final = 100_000
"""The most pieces that ``split`` makes."""

_JS: Final = str.maketrans(
    {
        "\\": "\\\\",
        "'": "\\'",
        '"': '\\"',
        "<": "\\u003C",
        ">": "\\u003E",
        "&": "\\u0026",
        "=": "\\u003D",
        "\n": "\\u000A",
        "\r": "\\u000D",
        "\t": "\\u0009",
    }
)


def as_json(value: Any) -> str:  # noqa: ANN401 - JSON
    """Return a value as Go's encoder writes it: without spaces, and letters unescaped."""
    if isinstance(value, Struct):
        return json_text(value.document)
    return json_text(None if isinstance(value, Missing) else value)


def _string(value: Any) -> str:  # noqa: ANN401 - JSON
    if not isinstance(value, str):
        raise ValueFault(f"expected a string, got {kind(value)}")
    return value


def _integer(value: Any) -> int:  # noqa: ANN401 - JSON
    if not isinstance(value, int) or isinstance(value, bool):
        raise ValueFault(f"expected an integer, got {kind(value)}")
    return value


def _join(values: Sequence[Any]) -> str:
    items, separator = values[0], _string(values[1])
    if items is None:
        return ""
    if not isinstance(items, list):
        raise ValueFault(f"expected a list, got {kind(items)}")
    _bound(len(separator) * len(items))
    return separator.join(sprint([item]) for item in items)


def _split(values: Sequence[Any]) -> list[str]:
    whole, separator = map(_string, values)
    pieces = whole.split(separator, MAX_SPLIT) if separator else list(whole[: MAX_SPLIT + 1])
    if len(pieces) > MAX_SPLIT:
        raise ValueFault(f"more than {MAX_SPLIT:,} pieces")
    return pieces


def _pad(values: Sequence[Any]) -> str:
    source, before, after = _string(values[0]), _integer(values[1]), _integer(values[2])
    if before < 0 or after < 0:
        raise ValueFault("a negative number of spaces")
    _bound(before + after)
    return f"{' ' * before}{source}{' ' * after}" if source else source


def _truncate(values: Sequence[Any]) -> str:
    source, length = _string(values[0]), _integer(values[1])
    if length < 0:
        raise ValueFault("a negative length")
    # docker counts bytes; a letter is not cut in two here.
    return source.encode()[:length].decode(errors="ignore")


def _title(values: Sequence[Any]) -> str:
    """Return the string with the first letter of each word in upper case."""
    source = _string(values[0])
    before = " " + source
    return "".join(
        letter if last.isalnum() or last == "_" else letter.title()
        for last, letter in zip(before, source, strict=False)
    )


def _index(values: Sequence[Any]) -> Any:  # noqa: ANN401 - JSON
    found = values[0]
    for key in values[1:]:
        match found:
            case None | Missing():
                return ""
            case dict():
                found = found.get(_string(key), "")
            case list() | str():
                items = found.encode() if isinstance(found, str) else found
                position = _integer(key)
                if not 0 <= position < len(items):
                    raise ValueFault(f"index {position} of {len(items)} element(s)")
                found = items[position]
            case _:
                raise ValueFault(f"{kind(found)} has no elements")
    return found


def _slice(values: Sequence[Any]) -> Any:  # noqa: ANN401 - JSON
    whole, bounds = values[0], [_integer(value) for value in values[1:]]
    if not isinstance(whole, str | list):
        raise ValueFault(f"expected a string or a list, got {kind(whole)}")
    items = whole.encode() if isinstance(whole, str) else whole
    start = bounds[0] if bounds else 0
    end = bounds[1] if len(bounds) > 1 else len(items)
    if not 0 <= start <= end <= len(items):
        raise ValueFault(f"part {start} to {end} of {len(items)} element(s)")
    part = items[start:end]
    return part.decode(errors="replace") if isinstance(part, bytes) else part


def _len(values: Sequence[Any]) -> int:
    match values[0]:
        case None:
            return 0
        case str() as found:
            return len(found.encode())
        case list() | dict() as found:
            return len(found)
    raise ValueFault(f"{kind(values[0])} has no length")


def _eq(values: Sequence[Any]) -> bool:
    # All values are compared, so that one of a wrong kind is an error.
    found = [equal(values[0], other) for other in values[1:]]
    return any(found)


def _less_or_equal(values: Sequence[Any]) -> bool:
    return less(values[0], values[1]) or equal(values[0], values[1])


def _and(values: Sequence[Any]) -> Any:  # noqa: ANN401 - JSON
    return next((value for value in values if not is_true(value)), values[-1])


def _or(values: Sequence[Any]) -> Any:  # noqa: ANN401 - JSON
    return next((value for value in values if is_true(value)), values[-1])


def _html(values: Sequence[Any]) -> str:
    return html.escape(sprint(values)).replace("&quot;", "&#34;").replace("&#x27;", "&#39;")


def _bound(characters: int) -> None:
    if characters > MAX_OUTPUT_CHARACTERS:
        raise ValueFault(f"the text would have more than {MAX_OUTPUT_CHARACTERS:,} characters")


_ANY: Final = 1_000
"""The most arguments of a function that takes any number of them."""

FUNCTIONS: Final[dict[str, tuple[int, int, Function]]] = {
    # docker's
    "json": (1, 1, lambda values: as_json(values[0])),
    "join": (2, 2, _join),
    "split": (2, 2, _split),
    "lower": (1, 1, lambda values: _string(values[0]).lower()),
    "upper": (1, 1, lambda values: _string(values[0]).upper()),
    "title": (1, 1, _title),
    "pad": (3, 3, _pad),
    "truncate": (2, 2, _truncate),
    # Go's
    "and": (1, _ANY, _and),
    "or": (1, _ANY, _or),
    "not": (1, 1, lambda values: not is_true(values[0])),
    "eq": (2, _ANY, _eq),
    "ne": (2, 2, lambda values: not equal(values[0], values[1])),
    "lt": (2, 2, lambda values: less(values[0], values[1])),
    "le": (2, 2, _less_or_equal),
    "gt": (2, 2, lambda values: not _less_or_equal(values)),
    "ge": (2, 2, lambda values: not less(values[0], values[1])),
    "html": (0, _ANY, _html),
    "index": (1, _ANY, _index),
    "js": (0, _ANY, lambda values: sprint(values).translate(_JS)),
    "len": (1, 1, _len),
    "print": (0, _ANY, sprint),
    "printf": (1, _ANY, lambda values: sprintf(_string(values[0]), values[1:])),
    "println": (0, _ANY, sprintln),
    "slice": (1, 3, _slice),
    "urlquery": (0, _ANY, lambda values: quote_plus(sprint(values))),
}
"""For each function: the fewest and the most arguments, and what it does with them."""


def as_headers() -> dict[str, tuple[int, int, Function]]:
    """Return the functions for the header of a table: most of docker's leave a header alone."""
    unchanged: Function = lambda values: values[0]  # noqa: E731 - a table of functions
    names = ("json", "join", "split", "lower", "upper", "title", "truncate")
    return FUNCTIONS | {name: (*FUNCTIONS[name][:2], unchanged) for name in names}
