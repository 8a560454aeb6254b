"""JSON text: letters as they are, and escapes for what a terminal or the output cannot show."""

from __future__ import annotations

import json
import re
from typing import Any, Final

_MAYBE_UNPRINTABLE: Final = re.compile(r"[^\n -~]")
_COMPACT: Final = (",", ":")


def json_text(
    value: Any,  # noqa: ANN401 - JSON
    *,
    indent: int | None = None,
    encoding: str | None = None,
) -> str:
    """Return a value as JSON.

    Args:
        value: A JSON value.
        indent: The spaces of each level; None for one line without spaces.
        encoding: The encoding of the output. Letters that it lacks are escaped; None for UTF-8.

    Returns:
        The text. Control and format characters and lone surrogates are escaped, because they could
        control a terminal.
    """
    separators = _COMPACT if indent is None else None
    text = json.dumps(value, ensure_ascii=False, indent=indent, separators=separators)
    text = _MAYBE_UNPRINTABLE.sub(_escaped, text)
    try:
        text.encode(encoding or "utf-8")
    except (UnicodeEncodeError, LookupError):
        return json.dumps(value, indent=indent, separators=separators)
    return text


def _escaped(found: re.Match[str]) -> str:
    letter = found[0]
    if letter.isprintable():
        return letter
    # DEL is the only ASCII character that JSON does not escape.
    return "\\u007f" if letter == "\x7f" else json.dumps(letter)[1:-1]
