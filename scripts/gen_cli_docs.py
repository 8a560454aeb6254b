"""Writes docs/cli.md from the command line's own definitions.

What `--help` prints, the exit codes, the environment.

``make docs`` runs it; a test fails when the file is not what this program would write.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from storectl.cli import ALIASES, VERBS, cli
from storectl.output.exit_codes import MEANING, ExitCode

if TYPE_CHECKING:
    from collections.abc import Iterator

TARGET: Final = Path(__file__).parents[1] / "docs" / "cli.md"
WIDTH: Final = 100

INTRODUCTION: Final = """\
# The command line

<!-- Written by scripts/gen_cli_docs.py (`make docs`): change the commands, not this file. -->

Results go to standard output; progress, remarks and errors go to standard error. With `--json`, standard output holds one JSON document and nothing else.
Progress is drawn on a terminal only. An archive is never written to a terminal nor read from one. Names and labels are printed with their control characters
escaped.
"""

ENVIRONMENT: Final = """\
## Environment

| variable | meaning |
|---|---|
| `STORECTL_ROOT` | the store's folder; `--root` goes before it |
| `XDG_DATA_HOME` | without either, the store is in `storectl` beneath this folder, or beneath `~/.local/share` |
| `NO_COLOR` | progress without colours |
"""


def main() -> int:
    """Write the file."""
    TARGET.write_text(document(), encoding="utf-8")
    return 0


def document() -> str:
    """What docs/cli.md has to be."""
    return "\n".join(
        [INTRODUCTION, _verbs(), _exit_codes(), ENVIRONMENT, *map(_section, _contexts())]
    )


def _verbs() -> str:
    of = {
        name: ", ".join(f"`{alias}`" for alias, meant in ALIASES.items() if meant == name)
        for name in VERBS
    }
    rows = [
        f"| [`{name}`](#storectl-{name}) | {of[name]} | {text} |"
        for name, (_, text) in VERBS.items()
    ]
    return "\n".join(["## Commands", "", "| command | also | |", "|---|---|---|", *rows, ""])


def _exit_codes() -> str:
    rows = [f"| {code.value} | {MEANING[code]} |" for code in ExitCode]
    return "\n".join(["## Exit codes", "", "| code | meaning |", "|---|---|", *rows, ""])


def _contexts() -> Iterator[click.Context]:
    # A fixed width, so that the file does not depend on the terminal it was made in.
    top = click.Context(
        cli,
        info_name="storectl",
        terminal_width=WIDTH,
        max_content_width=WIDTH,
        help_option_names=["-h", "--help"],
    )
    yield top
    for name in cli.list_commands(top):
        command = cli.get_command(top, name)
        if command is None:
            raise LookupError(name)
        context = click.Context(command, parent=top, info_name=name)
        yield context
        if isinstance(command, click.Group):
            yield from (
                click.Context(inner, parent=context, info_name=verb)
                for verb, inner in command.commands.items()
            )


def _section(context: click.Context) -> str:
    return f"## {context.command_path}\n\n```text\n{context.get_help().rstrip()}\n```\n"


if __name__ == "__main__":
    raise SystemExit(main())
