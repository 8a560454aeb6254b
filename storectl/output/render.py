"""Values to text: columns, JSON, names that a terminal cannot obey."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

import click

from store.errors import printable
from store.files.os_errors import Whose, translated

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
    columns = list(zip(*cleaned, strict=True))
    # Nearly all columns are plain, and lists are long.
    cells = [len if all(map(str.isascii, column)) else _cells for column in columns]
    widths = [
        max(_MINIMUM, _PADDING + max(map(count, column)))
        for count, column in zip(cells, columns, strict=True)
    ]
    padded = (
        [
            cell + " " * (width - count(cell))
            for cell, count, width in zip(row, cells, widths, strict=True)
        ]
        for row in cleaned
    )
    write("\n".join("".join(row).rstrip() for row in padded))


def shorten(text: str, width: int) -> str:
    """``text`` in at most ``width`` cells of a terminal, its end an ellipsis when it had to be cut (``formatter.Ellipsis`` of docker)."""
    if _cells(text) <= width:
        return text
    kept, used = "", 1
    for char in text:
        used += _cells(char)
        if used > width:
            break
        kept += char
    return f"{kept}…"


def line(text: str, *, err: bool = False) -> None:
    """One line, with nothing in it that a terminal could obey."""
    write(_clean(text), err=err)


def text(value: str) -> None:
    """Lines of standard output, with nothing in them that a terminal could obey but line ends and tabs."""
    write("\n".join("\t".join(map(_clean, row.split("\t"))) for row in value.split("\n")))


def lines(texts: Iterable[str]) -> None:
    """Lines of standard output, if there are any, written at once: lists are long."""
    together = "\n".join(map(_clean, texts))
    if together:
        write(together)


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
    """A point in time as Go's ``Time.String`` shows it, in local time: docker's ``CreatedAt`` of an image."""
    return "N/A" if moment is None else f"{_local(moment):%Y-%m-%d %H:%M:%S %z %Z}"


def local_time(moment: datetime | None) -> str:
    """A point in time as RFC 3339 in local time, to the second: docker's ``CreatedAt`` of a step of a history."""
    return "N/A" if moment is None else _zoned(_local(moment), "seconds")


def nano_time(moment: datetime) -> str:
    """A point in time as RFC 3339 in local time, with nine digits: how docker shows events."""
    local = _local(moment)
    return (
        _zoned(local.replace(tzinfo=None), "microseconds") + "000" + _zoned(local, "seconds")[19:]
    )


def _local(moment: datetime) -> datetime:
    try:
        return moment.astimezone()
    except (OverflowError, ValueError):
        # At either end of what a datetime can hold.
        return moment


def _zoned(moment: datetime, timespec: str) -> str:
    return moment.isoformat(timespec=timespec).replace("+00:00", "Z")


def write(text: str, *, err: bool = False) -> None:
    """``text`` as it stands, and a line end.

    Raises StorageFull, Unavailable and such when it cannot be written; BrokenPipeError stays.
    """
    with translated("standard error" if err else "standard output", whose=Whose.OUTPUT):
        click.echo(text, err=err)


def _cells(text: str) -> int:
    """How many cells of a terminal the text takes: ideographs take two, combining accents none."""
    if text.isascii():
        return len(text)
    from rich.cells import cell_len  # noqa: PLC0415 - few names need it

    return cell_len(text)


def _clean(text: str) -> str:
    # Nearly all text is harmless, and lists are long.
    return text if text.isprintable() else printable(text)
