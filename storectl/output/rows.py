"""Rows of a list as ``--format`` asks for them: docker's table, its JSON lines, or a Go template, ``table`` before it for columns of one's own."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import click

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    Command = Callable[..., object]

_HELP: Final = (
    "table, json (an object for each row), or a template for each row: {{.Field}}, {{json .}};"
    " `table {{.Field}}` makes columns of it."
)
_TABLE: Final = "table "


def format_option(command: Command) -> Command:
    """``--format`` of a verb that lists."""
    return click.option(
        "--format", "format_", default="table", metavar="FORMAT", callback=_known, help=_HELP
    )(command)


def show(
    format_: str, rows: Iterable[dict[str, str]], columns: Sequence[str], heads: Mapping[str, str]
) -> None:
    """Print ``rows``.

    Args:
        format_: What ``format_option`` gave.
        rows: Docker's fields of each row.
        columns: The fields that the plain table shows, in its order.
        heads: The title of every field, for tables.

    Raises:
        click.UsageError: The template asks for what is not there.

    """
    from storectl.output import render  # noqa: PLC0415 - `--help` does without

    if format_ == "json":
        render.json_lines(rows)
    elif format_ == "table":
        render.table(
            [heads[column] for column in columns],
            ([row[column] for column in columns] for row in rows),
        )
    elif format_.startswith(_TABLE):
        template = _plain(format_.removeprefix(_TABLE).lstrip())
        head = _expanded(template, dict(heads)).split("\t")
        render.table(head, (_expanded(template, row).split("\t") for row in rows))
    else:
        template = _plain(format_)
        for row in rows:
            render.text(_expanded(template, row))


def _known(ctx: click.Context, param: click.Parameter, value: str) -> str:
    del ctx, param
    if value in {"table", "json"} or "{{" in value:
        return value
    raise click.BadParameter(
        f"{value!r} is neither table nor json nor a template such as '{{{{.ID}}}}'"
    )


def _plain(template: str) -> str:
    """Docker takes a tab and a line end also as a shell passes them on: as two characters (``Context.preFormat``)."""
    return template.replace("\\t", "\t").replace("\\n", "\n")


def _expanded(template: str, row: dict[str, str]) -> str:
    from storectl.output.go_template import expand  # noqa: PLC0415 - few lists ask for it

    return expand(template, row)
