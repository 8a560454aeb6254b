"""``version`` and ``completion``."""

from __future__ import annotations

import platform

import click

from storectl.version import __version__


@click.command("version", epilog="Example: storectl version --json")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
def version_command(*, as_json: bool) -> None:
    """Show the versions of storectl and of what it stands on."""
    from importlib.metadata import version  # noqa: PLC0415

    found = {
        "storectl": __version__,
        "python": platform.python_version(),
        **{name: version(name) for name in ("sqlalchemy", "alembic", "zstandard", "isal", "click")},
    }
    if as_json:
        from storectl import render  # noqa: PLC0415

        render.document(found)
        return
    for name, text in found.items():
        click.echo(f"{name:12}{text}")


@click.command("completion", epilog='Example: eval "$(storectl completion bash)"')
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
@click.pass_context
def completion_command(ctx: click.Context, *, shell: str) -> None:
    """Print a script that completes commands, options and image names in your shell."""
    from click.shell_completion import get_completion_class  # noqa: PLC0415

    complete = get_completion_class(shell)
    assert complete is not None  # noqa: S101 - the choice above
    click.echo(complete(ctx.find_root().command, {}, "storectl", "_STORECTL_COMPLETE").source())
