"""The part of Go's text/template that ``--format`` needs.

It supports text, fields, and the functions ``json``, ``join``, ``index`` and ``len``.
"""

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
"""The values of fields that docker's JSON leaves out if they are empty."""

_Word: TypeAlias = "tuple[str, str]"


def expand(template: str, value: dict[str, Any]) -> str:
    """Return ``template`` with its actions applied to ``value``.

    Args:
        template: Text with actions such as ``{{.Config.Env}}``.
        value: The object whose fields the actions name.

    Raises:
        click.UsageError: An action is unsupported, or names an unknown field.
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
        raise click.UsageError(f"invalid --format: unclosed action {rest[rest.index('{{') :]!r}")
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
        f"invalid --format: unsupported action {{{{{body}}}}}; {_SUPPORTED}; --json prints all"
        " fields"
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
                f"invalid --format: {path}: no field {name} in {json.dumps(found)}"
            )
        if name not in found and name not in ZERO:
            raise click.UsageError(
                f"invalid --format: {path}: no field {name}; the fields are"
                f" {', '.join(found) or 'none'}"
            )
        found = found.get(name, ZERO.get(name))
    return found


def _shown(value: Any, about: str) -> str:  # noqa: ANN401 - JSON
    """Return ``value`` as Go's fmt prints it. In an error, ``about`` names the value."""
    match value:
        case None:
            return "<nil>"
        case bool():
            return "true" if value else "false"
        case list():
            return f"[{' '.join(_shown(one, about) for one in value)}]"
        case dict() if not all(isinstance(one, str) for one in value.values()):
            raise click.UsageError(
                f"invalid --format: {about} is an object: name a field of it ({', '.join(value)}),"
                f" or use {{{{json {about}}}}}"
            )
        case dict():
            return f"map[{' '.join(f'{key}:{value[key]}' for key in sorted(value))}]"
    return str(value)


def _json(body: str, arguments: Sequence[Any]) -> str:
    if len(arguments) != 1:
        _unsupported(body)
    # Like Go's encoder, do not escape letters outside ASCII.
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
                    f"invalid --format: {{{{{body}}}}}: index {position} of a list that has"
                    f" {len(items)} element(s)"
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
