"""The option ``--format`` of lists, as in docker: a table, JSON lines, or a template per row."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import click

from storectl.system.completion import values

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from storectl.output.go_template.template import Template

    Command = Callable[..., object]

_HELP: Final = (
    "Format output: table, json (an object for each row), or a Go template for each row:"
    " {{.Field}}, {{json .}}; `table TEMPLATE` prints columns with headers."
)
_TABLE: Final = "table "


def format_option(command: Command) -> Command:
    """Add the option ``--format`` to a command that prints a list."""
    return click.option(
        "--format",
        "format_",
        default="table",
        metavar="FORMAT",
        callback=_known,
        shell_complete=values("table", "json", "{{json .}}"),
        help=_HELP,
    )(command)


def show(
    format_: str, rows: Iterable[dict[str, str]], columns: Sequence[str], heads: Mapping[str, str]
) -> None:
    """Print ``rows`` in the format that the user asked for.

    Args:
        format_: The value of the option that `format_option` adds.
        rows: The fields of each row, under docker's names.
        columns: The fields that the plain table shows, from left to right.
        heads: The column header of every field.

    Raises:
        click.UsageError: The template names an unknown field, or cannot be parsed.
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
        template = parsed(format_.removeprefix(_TABLE).lstrip())
        head = template.header(dict(heads)).split("\t")
        render.table(head, (template.apply(row).split("\t") for row in rows))
    else:
        template = parsed(format_)
        for row in rows:
            render.text(template.apply(row))


def _known(ctx: click.Context, param: click.Parameter, value: str) -> str:
    del ctx, param
    if value in {"table", "json"} or "{{" in value:
        return value
    raise click.BadParameter(
        f"expected table, json or a template such as '{{{{.ID}}}}', got {value!r}"
    )


def parsed(source: str) -> Template:
    r"""Parse a template; ``\t`` and ``\n`` mean a tab and a line end (docker's ``preFormat``)."""
    from storectl.output.go_template.template import (  # noqa: PLC0415 - only templates need it
        Template,
    )

    return Template(source.replace("\\t", "\t").replace("\\n", "\n"))
