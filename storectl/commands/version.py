"""``version``: the versions of storectl and its dependencies."""

from __future__ import annotations

import os

import click

from storectl.output.rows import parsed
from storectl.system.completion import values
from storectl.verb import Verb, json_option
from storectl.version import __version__


@click.command("version", cls=Verb, examples=("storectl version --json",))
@click.option(
    "-f",
    "--format",
    "format_",
    metavar="FORMAT",
    shell_complete=values("json", "{{json .}}"),
    help="Format output: json (one line), or a Go template: {{.Client.Version}}.",
)
@json_option
def command(*, format_: str | None, as_json: bool) -> None:
    """Show the versions of storectl and its dependencies."""
    import platform  # noqa: PLC0415 - `--help` does without
    import sqlite3  # noqa: PLC0415
    from importlib.metadata import version  # noqa: PLC0415

    from store import Platform  # noqa: PLC0415
    from storectl.output import render  # noqa: PLC0415

    if format_ is not None and as_json:
        raise click.UsageError("--format and --json exclude each other")
    components = {
        "python": platform.python_version(),
        "sqlite": sqlite3.sqlite_version,
        **{
            name: version(name)
            for name in ("sqlalchemy", "alembic", "zstandard", "isal", "click", "rich")
        },
    }
    system = os.uname()
    document = {
        # As in docker, the program that prints this is the client.
        "Client": {
            "Version": __version__,
            "Os": system.sysname.lower(),
            "Arch": Platform.of(system.sysname.lower(), system.machine).architecture,
            "Components": [{"Name": name, "Version": text} for name, text in components.items()],
        }
    }
    if as_json:
        render.document(document)
        return
    if format_ == "json":
        render.json_lines([document])
        return
    if format_ is not None:
        render.text(parsed(format_).apply(document))
        return
    for name, text in {"storectl": __version__, **components}.items():
        render.line(f"{name:12}{text}")
