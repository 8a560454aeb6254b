"""Values to text: columns, JSON, names that a terminal cannot obey."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import click

from store.errors import printable

if TYPE_CHECKING:
    from collections.abc import Sequence


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Columns as wide as they must be, three spaces apart, as docker's."""
    cleaned = [[printable(cell) for cell in row] for row in (head, *rows)]
    widths = [max(len(row[column]) for row in cleaned) for column in range(len(head))]
    for row in cleaned:
        click.echo("   ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())


def line(text: str, *, err: bool = False) -> None:
    """One line, with nothing in it that a terminal could obey."""
    click.echo(printable(text), err=err)


def document(value: Any) -> None:  # noqa: ANN401 - JSON
    """One JSON document on standard output."""
    click.echo(json.dumps(value, indent=2, ensure_ascii=True))
