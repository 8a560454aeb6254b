"""The part of Go's text/template that ``--format`` is mostly used for: text, fields, ``json``, ``join``, ``index`` and ``len``."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any, Final, NoReturn, TypeAlias

import click

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

_ACTION: Final = re.compile(
    r"(?P<before>\s*)\{\{(?P<trim>-\s)?(?P<body>(?:\"(?:[^\"\\\\]|\\\\.)*\"|`[^`]*`|[^\"`])*?)(?P<trim_after>\s-)?\}\}(?P<after>\s*)",
    re.DOTALL,
)
_WORD: Final = re.compile(
    r"\s*(?:(?P<path>(?:\.[A-Za-z_][A-Za-z0-9_]*)+|\.)|(?P<text>\"(?:[^\"\\\\]|\\\\.)*\"|`[^`]*`)|(?P<number>[0-9]+)|(?P<name>[a-z]+))(?=\s|$)"
)
_SUPPORTED: Final = (
    "supported are {{.Field.Field}}, {{json .Field}}, {{join .Field SEPARATOR}}, {{index .Field"
    " KEY}} and {{len .Field}}"
)

ZERO: Final[dict[str, Any]] = {
    "Variant": "",
    "OsVersion": "",
    "Layers": [],
    "ExposedPorts": {},
    "Healthcheck": None,
    "ArgsEscaped": False,
    "NetworkDisabled": False,
    "MacAddress": "",
    "StopSignal": "",
    "StopTimeout": None,
    "Shell": [],
}
"""What docker's templates see where its JSON leaves a field out because it is empty."""

_Word: TypeAlias = "tuple[str, str]"


def expand(template: str, value: dict[str, Any]) -> str:
    """``template`` with its actions replaced by what they say about ``value``.

    Raises click.UsageError for what is not supported or not there.
    """
    parts = []
    at = 0
    for action in _ACTION.finditer(template):
        parts.append(template[at : action.start()])
        parts.append("" if action["trim"] else action["before"])
        parts.append(_run(action["body"], value))
        parts.append("" if action["trim_after"] else action["after"])
        at = action.end()
    rest = template[at:]
    if "{{" in rest:
        raise click.UsageError(f"--format: an action is not closed: {rest[rest.index('{{') :]!r}")
    return "".join([*parts, rest])


def _run(body: str, value: dict[str, Any]) -> str:
    words: list[_Word] = []
    at = 0
    text = body.rstrip()
    while at < len(text):
        match = _WORD.match(text, at)
        if match is None:
            _unsupported(body)
        words.append((str(match.lastgroup), match[str(match.lastgroup)]))
        at = match.end()
    match words:
        case [("path", path)]:
            return _shown(_field(value, path), path)
        case [("name", name), *arguments] if name in _FUNCTIONS:
            return _FUNCTIONS[name](body, [_argument(value, word) for word in arguments])
    return _unsupported(body)


def _unsupported(body: str) -> NoReturn:
    raise click.UsageError(
        f"--format: {{{{{body}}}}} is not supported; {_SUPPORTED}; --json has everything"
    )


def _argument(value: dict[str, Any], word: _Word) -> Any:  # noqa: ANN401 - JSON
    kind, text = word
    match kind:
        case "path":
            return _field(value, text)
        case "text":
            return text[1:-1] if text.startswith("`") else json.loads(text)
        case "number":
            return int(text)
    return _unsupported(text)


def _field(value: Any, path: str) -> Any:  # noqa: ANN401 - JSON
    found = value
    for name in path.split(".")[1:]:
        if not name:
            continue
        if not isinstance(found, dict):
            raise click.UsageError(
                f"--format: {path}: there is no field {name} in {json.dumps(found)}"
            )
        if name not in found and name not in ZERO:
            raise click.UsageError(
                f"--format: {path}: there is no field {name}; there are"
                f" {', '.join(found) or 'none'}"
            )
        found = found.get(name, ZERO.get(name))
    return found


def _shown(value: Any, about: str) -> str:  # noqa: ANN401 - JSON
    """As Go's fmt prints it."""
    match value:
        case None:
            return "<nil>"
        case bool():
            return "true" if value else "false"
        case list():
            return f"[{' '.join(_shown(one, about) for one in value)}]"
        case dict() if not all(isinstance(one, str) for one in value.values()):
            raise click.UsageError(
                f"--format: {about} is an object: ask for one of its fields ({', '.join(value)}),"
                f" or for {{{{json {about}}}}}"
            )
        case dict():
            return f"map[{' '.join(f'{key}:{value[key]}' for key in sorted(value))}]"
    return str(value)


def _json(body: str, arguments: Sequence[Any]) -> str:
    if len(arguments) != 1:
        _unsupported(body)
    # As Go's encoder: letters stay as they are.
    return json.dumps(arguments[0], ensure_ascii=False, separators=(",", ":"))


def _join(body: str, arguments: Sequence[Any]) -> str:
    match arguments:
        case [None, str()]:
            return ""
        case [list(items), str(separator)]:
            return separator.join(_shown(item, body) for item in items)
    _unsupported(body)


def _index(body: str, arguments: Sequence[Any]) -> str:
    match arguments:
        case [None, str()]:
            return ""
        case [dict(items), str(key)]:
            return _shown(items.get(key, ""), body)
        case [list(items), int(position)]:
            if position >= len(items):
                raise click.UsageError(
                    f"--format: {{{{{body}}}}}: the list has {len(items)} element(s), and"
                    f" {position} is not among them"
                )
            return _shown(items[position], body)
    _unsupported(body)


def _len(body: str, arguments: Sequence[Any]) -> str:
    match arguments:
        case [None]:
            return "0"
        case [str() | list() | dict() as items]:
            return str(len(items.encode()) if isinstance(items, str) else len(items))
    _unsupported(body)


_FUNCTIONS: Final[dict[str, Callable[[str, Sequence[Any]], str]]] = {
    "json": _json,
    "join": _join,
    "index": _index,
    "len": _len,
}
