"""Output of values as text: columns, lines, JSON and times, with control characters escaped."""

from __future__ import annotations

import sys
from itertools import chain, islice, zip_longest
from typing import TYPE_CHECKING, Any, Final

import click

from store.errors import printable
from store.files.os_errors import Whose, translated
from storectl.output.json_text import json_text

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from datetime import datetime

NONE: Final = "<none>"
"""Docker's text for a missing name, tag or digest."""

_MINIMUM: Final = 10
_PADDING: Final = 3
_INDENT: Final = 4
_LINES: Final = 4096
"""How many lines are written at once."""


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """Print columns as in docker (Go's tabwriter with minimal width 10 and padding 3).

    Args:
        head: The column headers.
        rows: A cell for each column; control characters are escaped.
    """
    # A row is kept as one string, so that a long table takes little memory. Cells have no NUL.
    kept: list[str] = []
    widths: list[int] = []
    for row in chain((head,), rows):
        text = "\0".join(row if "".join(row).isprintable() else map(_clean, row))
        kept.append(text)
        # `len` is faster than `_cells`, and most rows are ASCII.
        counts = map(len if text.isascii() else _cells, text.split("\0"))
        widths = [max(pair) for pair in zip_longest(widths, counts, fillvalue=0)]
    widths = [max(_MINIMUM, _PADDING + width) for width in widths]
    _write_lines(_padded(text.split("\0"), widths) for text in kept)


def _padded(row: Sequence[str], widths: Sequence[int]) -> str:
    return "".join(
        cell + " " * (width - _cells(cell)) for cell, width in zip(row, widths, strict=False)
    ).rstrip()


def shorten(text: str, width: int) -> str:
    """Cut ``text`` to ``width`` terminal cells, with an ellipsis if it was longer.

    Source: Docker's ``formatter.Ellipsis``.
    """
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
    """Print one line on standard output, or on standard error if ``err`` is true.

    Control characters are escaped.
    """
    write(_clean(text), err=err)


def text(value: str) -> None:
    """Print text to standard output; escape control characters except line ends and tabs."""
    write("\n".join("\t".join(map(_clean, row.split("\t"))) for row in value.split("\n")))


def lines(texts: Iterable[str]) -> None:
    """Print lines to standard output, with control characters escaped.

    Args:
        texts: The lines. All are read before the first one is printed.
    """
    _write_lines(list(map(_clean, texts)))


def document(value: Any) -> None:  # noqa: ANN401 - JSON
    """Print one JSON document to standard output, indented."""
    write(json_text(value, indent=_INDENT, encoding=output_encoding()))


def documents(values: Iterable[Any]) -> None:
    """Print a JSON array to standard output, like `document`, with less memory for a long one.

    Args:
        values: The values of the array. All are read before the first one is printed.
    """
    encoding = output_encoding()
    kept = [json_text(value, indent=_INDENT, encoding=encoding) for value in values]
    if not kept:
        write("[]")
        return
    inner = (" " * _INDENT + text.replace("\n", "\n" + " " * _INDENT) for text in kept)
    _write_lines(
        chain(
            ("[",),
            (f"{text}," if number < len(kept) else text for number, text in enumerate(inner, 1)),
            ("]",),
        )
    )


def json_lines(rows: Iterable[Any]) -> None:
    """Print one JSON value per line, like docker's ``--format json``."""
    encoding = output_encoding()
    _write_lines([json_text(row, encoding=encoding) for row in rows])


def _write_lines(texts: Iterable[str]) -> None:
    """Write lines to standard output, many at a time."""
    remaining = iter(texts)
    while some := list(islice(remaining, _LINES)):
        write("\n".join(some))


def output_encoding() -> str | None:
    """Return the encoding of standard output; None if it has none."""
    return getattr(sys.stdout, "encoding", None)


def time(moment: datetime | None) -> str | None:
    """Return a time for JSON: RFC 3339 in UTC, or None for None."""
    return None if moment is None else moment.isoformat().replace("+00:00", "Z")


def go_time(moment: datetime | None) -> str:
    """Return a time like Go's ``Time.String``, in local time: docker's ``CreatedAt`` of images."""
    return "N/A" if moment is None else f"{_local(moment):%Y-%m-%d %H:%M:%S %z %Z}"


def local_time(moment: datetime | None) -> str:
    """Return a time as RFC 3339 in local time, to the second: docker's ``CreatedAt`` of steps."""
    return "N/A" if moment is None else _zoned(_local(moment), "seconds")


def nano_time(moment: datetime) -> str:
    """Return a time as RFC 3339 in local time with nanoseconds, as docker prints events."""
    local = _local(moment)
    return (
        _zoned(local.replace(tzinfo=None), "microseconds") + "000" + _zoned(local, "seconds")[19:]
    )


def _local(moment: datetime) -> datetime:
    try:
        return moment.astimezone()
    except (OverflowError, ValueError):
        # The local time is outside the years that a datetime can hold.
        return moment


def _zoned(moment: datetime, timespec: str) -> str:
    return moment.isoformat(timespec=timespec).replace("+00:00", "Z")


def write(text: str, *, err: bool = False) -> None:
    """Print ``text`` unchanged, with a line end.

    Args:
        text: The text, which may contain control characters.
        err: Whether to print to standard error instead of standard output.

    Raises:
        StorageFull: The output is a file on a full file system.
        Unavailable: The output cannot be written.
        BrokenPipeError: The reader closed the pipe.
    """
    with translated("standard error" if err else "standard output", whose=Whose.OUTPUT):
        click.echo(text, err=err)


def _cells(text: str) -> int:
    """Return how many terminal cells ``text`` takes: an ideograph two, a combining accent none."""
    if text.isascii():
        return len(text)
    from rich.cells import cell_len  # noqa: PLC0415 - few names need it

    return cell_len(text)


def _clean(text: str) -> str:
    # Check `isprintable` first: it is faster than `printable`, and most text is printable.
    return text if text.isprintable() else printable(text)
