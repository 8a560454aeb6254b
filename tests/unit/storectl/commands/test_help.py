"""`help`: the same text as `--help`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click
import pytest

from storectl import cli
from storectl.commands import help as help_

if TYPE_CHECKING:
    from tests.support.fake_shell import Shell


@pytest.mark.parametrize("words", [(), ("images",), ("ls",), ("db",), ("db", "upgrade"), ("help",)])
def test_help_is_that_of_the_flag(shell: Shell, words: tuple[str, ...]) -> None:
    assert shell("help", *words) == shell(*words, "--help")


def test_an_unknown_command_is_wrong_usage(shell: Shell) -> None:
    shell("help", "imges", code=2)
    assert "Did you mean 'images'?" in shell.err
    shell("help", "images", "x", code=2)
    assert "storectl images has no command 'x'" in shell.err


def test_the_names_of_commands_are_completed() -> None:
    root = click.Context(cli.cli, info_name="storectl")
    context = click.Context(help_.command, parent=root)
    (argument,) = [one for one in help_.command.params if isinstance(one, click.Argument)]
    assert [item.value for item in argument.shell_complete(context, "im")] == ["import", "images"]
    context.params["words"] = ("db",)
    assert "upgrade" in [item.value for item in argument.shell_complete(context, "")]
    context.params["words"] = ("db", "upgrade")
    assert argument.shell_complete(context, "") == []
