"""``version``: the versions of storectl and its dependencies."""

from __future__ import annotations

import click

from storectl.verb import Verb, json_option
from storectl.version import __version__


@click.command("version", cls=Verb, examples=("storectl version --json",))
@json_option
def command(*, as_json: bool) -> None:
    """Show the versions of storectl and its dependencies."""
    import platform  # noqa: PLC0415 - `--help` does without
    import sqlite3  # noqa: PLC0415
    from importlib.metadata import version  # noqa: PLC0415

    from storectl.output import render  # noqa: PLC0415

    found = {
        "storectl": __version__,
        "python": platform.python_version(),
        "sqlite": sqlite3.sqlite_version,
        **{
            name: version(name)
            for name in ("sqlalchemy", "alembic", "zstandard", "isal", "click", "rich")
        },
    }
    if as_json:
        render.document(found)
        return
    for name, text in found.items():
        render.line(f"{name:12}{text}")
