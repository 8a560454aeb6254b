"""``help``: the help of a command, as with ``--help``."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from storectl.verb import Verb

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem


def _commands(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    del param
    found = _found(ctx, tuple(ctx.params.get("words") or ()))
    if not isinstance(found.command, click.Group):
        return []
    return found.command.shell_complete(found, incomplete) if incomplete[:1] != "-" else []


@click.command("help", cls=Verb, examples=("storectl help", "storectl help db upgrade"))
@click.argument("words", nargs=-1, metavar="[COMMAND]...", shell_complete=_commands)
@click.pass_context
def command(ctx: click.Context, words: tuple[str, ...]) -> None:
    """Show the help of a command, or without a COMMAND the list of all commands."""
    from storectl.output import render  # noqa: PLC0415 - `--help` does without

    render.write(_found(ctx, words).get_help())


def _found(ctx: click.Context, words: tuple[str, ...]) -> click.Context:
    """Return a context for the help of the command that ``words`` name.

    Raises:
        click.UsageError: There is no such command.
    """
    found = ctx.find_root()
    for word in words:
        group = found.command
        if not isinstance(group, click.Group):
            raise click.UsageError(f"{found.command_path} has no command {word!r}", ctx)
        name, command, _ = group.resolve_command(found, [word])
        assert command is not None  # noqa: S101 - an unknown command is an error above
        found = click.Context(command, parent=found, info_name=name)
    return found
