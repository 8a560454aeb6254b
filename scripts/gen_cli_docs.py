"""Generate docs/cli.md: the help of every command, the exit codes and the environment.

``make docs`` runs this program, and a test fails if the file is out of date.
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

Results go to standard output; progress, notes and errors go to standard error. With `--json`,
standard output holds one JSON document and nothing else, and each error is one line of JSON on
standard error. Progress is shown on terminals only.
Archives are neither written to a terminal nor read from one. Control characters in names and labels
are printed escaped.
"""

ENVIRONMENT: Final = """\
## Environment

| variable | meaning |
|---|---|
| `STORECTL_ROOT` | the folder of the store; `--root` takes precedence |
| `STORECTL_LOCK_TIMEOUT` | how long to wait for a lock of another process, in seconds; \
`--lock-timeout` takes precedence |
| `STORECTL_QUARANTINE` | how long `gc` keeps files that the catalogue does not know, such as \
`720h`; `gc --quarantine` takes precedence |
| `STORECTL_CTR` | the program with which `load-into ctr` reaches containerd (default: `ctr`), \
with its arguments |
| `STORECTL_SSH` | the program that reaches other machines (default: `ssh`), with its arguments |
| `STORECTL_UNDO_FOR` | how long `gc` and `prune` keep what tags could be rolled back to, such as \
`168h`; `--undo-for` takes precedence |
| `XDG_DATA_HOME` | the folder of the default store, which is `storectl` in it; by default \
`~/.local/share` |
| `DOCKER_CONFIG`, `DOCKER_AUTH_CONFIG`, `REGISTRY_AUTH_FILE`, `XDG_RUNTIME_DIR`, \
`XDG_CONFIG_HOME` | where [credentials](registries.md#credentials) for other registries are |
| `CONTAINERS_REGISTRIES_CONF` | the file with the \
[settings of registries](registries.md#mirrors-and-blocked-registries) |
| `SSL_CERT_FILE`, `SSL_CERT_DIR` | the authorities that sign certificates of registries |
| `HTTPS_PROXY`, `HTTP_PROXY`, `NO_PROXY` | [proxies](registries.md#proxies) for other registries |
| `NO_COLOR` | show progress without colours |
"""


def main() -> int:
    """Write docs/cli.md."""
    TARGET.write_text(document(), encoding="utf-8")
    return 0


def document() -> str:
    """Return the text of docs/cli.md."""
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
    return "\n".join(
        ["## Commands", "", "| command | alias | purpose |", "|---|---|---|", *rows, ""]
    )


def _exit_codes() -> str:
    rows = [f"| {code.value} | {MEANING[code]} |" for code in ExitCode]
    return "\n".join(["## Exit codes", "", "| code | meaning |", "|---|---|", *rows, ""])


def _contexts() -> Iterator[click.Context]:
    # Use a fixed width, so that the file does not depend on the terminal.
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
