"""Values to text: columns, JSON, names that a terminal cannot obey."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

import click

from store.errors import printable
from store.oserrors import translated

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from datetime import datetime

NONE: Final = "<none>"
"""What docker shows in place of a name, a tag or a digest that is not there."""

_MINIMUM: Final = 10
_PADDING: Final = 3


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """Columns as docker's (Go's tabwriter, minimal width 10, padding 3): each as wide as its widest cell and three spaces more."""
    cleaned = [[_clean(cell) for cell in row] for row in (head, *rows)]
    widths = [max(_MINIMUM, _PADDING + max(map(len, column))) for column in zip(*cleaned, strict=True)]
    text = "\n".join("".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in cleaned)
    write(text)


def line(text: str, *, err: bool = False) -> None:
    """One line, with nothing in it that a terminal could obey."""
    write(_clean(text), err=err)


def lines(texts: Iterable[str]) -> None:
    """Lines of standard output, if there are any, written at once: lists are long."""
    text = "\n".join(_clean(text) for text in texts)
    if text:
        write(text)


def document(value: Any) -> None:  # noqa: ANN401 - JSON
    """One JSON document on standard output, in ASCII, so that it can be shown and piped anywhere."""
    write(json.dumps(value, indent=4))


def json_lines(rows: Iterable[dict[str, str]]) -> None:
    """One JSON object a line, as docker's ``--format json``."""
    lines(json.dumps(row) for row in rows)


def time(moment: datetime | None) -> str | None:
    """A point in time in JSON: RFC 3339, in UTC."""
    return None if moment is None else moment.isoformat().replace("+00:00", "Z")


def go_time(moment: datetime | None) -> str:
    """A point in time as Go's ``Time.String`` shows it, which docker uses for ``CreatedAt``."""
    return "N/A" if moment is None else f"{moment:%Y-%m-%d %H:%M:%S} +0000 UTC"


def write(text: str, *, err: bool = False) -> None:
    """``text`` as it stands, and a line end. Raises StorageFull, Unavailable and such when it cannot be written; BrokenPipeError stays."""
    with translated("standard error" if err else "standard output"):
        click.echo(text, err=err)


def _clean(text: str) -> str:
    # Nearly all text is harmless, and lists are long.
    return text if text.isprintable() else printable(text)
