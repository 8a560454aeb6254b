"""``db``: the schema of the database."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from storectl.output.exit_codes import ExitCode
from storectl.verb import Verb, common_options, json_option, write_examples

if TYPE_CHECKING:
    from storectl.settings import Settings


class _Group(click.Group):
    def __init__(self, *args: Any, **kwargs: Any) -> None:  # noqa: ANN401 - click's signature
        super().__init__(*args, **kwargs)
        self.params += common_options()

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        del ctx
        write_examples(formatter, ["storectl db current"])


@click.group("db", cls=_Group)
def command() -> None:
    """Manage the database schema.

    Opening a store with an older schema upgrades it, after a backup of the database.
    """


@command.command(
    "current",
    cls=Verb,
    short_help="Show the revision of the schema.",
    examples=("storectl db current",),
)
@json_option
@click.pass_obj
def current(settings: Settings, *, as_json: bool) -> None:
    """Show the revision of the schema and the one this program needs, without changing anything."""
    from store import Store  # noqa: PLC0415 - `--help` does without
    from storectl.output import render  # noqa: PLC0415

    with settings.explained():
        state = Store.schema_state(settings.root)
    if as_json:
        render.document({"Current": state.current, "Head": state.head})
    else:
        render.line(
            f"{state.current or 'none'}"
            f" ({'up to date' if state.is_current else f'this program needs {state.head}'})"
        )


@command.command(
    "upgrade",
    cls=Verb,
    short_help="Upgrade the schema.",
    examples=("storectl db upgrade",),
)
@json_option
@click.pass_obj
def upgrade(settings: Settings, *, as_json: bool) -> None:
    """Upgrade the schema to the revision this program needs, after a backup of the database."""
    from store import Store  # noqa: PLC0415 - `--help` does without
    from storectl.output import render  # noqa: PLC0415

    with settings.explained():
        report = Store.upgrade(settings.root, clock=settings.now, waiting=settings.waiting())
    if as_json:
        render.document(
            {
                "Before": report.before,
                "After": report.after,
                "Backup": None if report.backup is None else str(report.backup),
            }
        )
    elif report.before == report.after:
        render.line(f"already at {report.after}")
    else:
        render.line(f"upgraded from {report.before or 'nothing'} to {report.after}")
        if report.backup is not None:
            render.line(f"the database as it was: {report.backup}", err=True)


@command.command("check", cls=Verb, short_help="Check the tables.", examples=("storectl db check",))
@json_option
@click.pass_obj
def check(settings: Settings, *, as_json: bool) -> ExitCode:
    """Compare the tables of the database with the tables this program needs.

    Exit code 5 means that the tables differ.
    """
    from store import Store  # noqa: PLC0415 - `--help` does without
    from storectl.output import render  # noqa: PLC0415

    with settings.explained():
        differences = Store.check_schema(settings.root)
    if as_json:
        render.document({"Differences": list(differences)})
    else:
        for difference in differences:
            render.line(difference)
        render.line(
            f"{len(differences)} difference(s)"
            if differences
            else "no difference: the database has the tables this program needs"
        )
    return ExitCode.CORRUPT if differences else ExitCode.OK
