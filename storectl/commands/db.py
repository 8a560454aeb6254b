"""The database's schema: ``db current``, ``db upgrade``, ``db check``."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from storectl.exit_codes import ExitCode

if TYPE_CHECKING:
    from storectl.settings import Settings


@click.group("db", epilog="Example: storectl db current")
def db_command() -> None:
    """Look after the database's schema. Opening a store upgrades it when it is older, after a backup copy."""


@db_command.command("current", epilog="Example: storectl db current --json")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
@click.pass_obj
def current(settings: Settings, *, as_json: bool) -> None:
    """Show the schema's revision, and the one this program wants."""
    from store import Store  # noqa: PLC0415
    from storectl import render  # noqa: PLC0415

    state = Store.schema_state(settings.root)
    if as_json:
        render.document({"current": state.current, "head": state.head})
    else:
        click.echo(f"{state.current or 'none'} ({'up to date' if state.is_current else f'this program wants {state.head}'})")


@db_command.command("upgrade", epilog="Example: storectl db upgrade")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
@click.pass_obj
def upgrade(settings: Settings, *, as_json: bool) -> None:
    """Bring the schema up to date, after a backup copy of the database."""
    from store import Store  # noqa: PLC0415
    from storectl import render  # noqa: PLC0415

    report = Store.upgrade(settings.root)
    if as_json:
        render.document({"before": report.before, "after": report.after, "backup": None if report.backup is None else str(report.backup)})
    elif report.before == report.after:
        click.echo(f"already at {report.after}")
    else:
        render.line(f"upgraded from {report.before} to {report.after}; the database as it was: {report.backup}")


@db_command.command("check", epilog="Example: storectl db check")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
@click.pass_obj
def check(settings: Settings, *, as_json: bool) -> int:
    """Compare the database's tables with the ones this program describes. Exits with 5 when they differ."""
    from store import Store  # noqa: PLC0415
    from storectl import render  # noqa: PLC0415

    differences = Store.check_schema(settings.root)
    if as_json:
        render.document(list(differences))
    else:
        for difference in differences:
            render.line(difference)
        click.echo(f"{len(differences)} difference(s)" if differences else "no drift: the database is what the program describes")
    return ExitCode.CORRUPT if differences else ExitCode.OK
