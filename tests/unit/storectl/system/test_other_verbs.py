"""Unknown verbs, and verbs of other programs."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import click
import pytest

from storectl import cli
from storectl.system.other_verbs import INSTEAD, no_such_command

if TYPE_CHECKING:
    from tests.support.fake_shell import Shell


@pytest.mark.parametrize("verb", INSTEAD)
def test_a_verb_of_another_program_has_advice(shell: Shell, verb: str) -> None:
    assert shell(verb, "x", code=2) == ""
    first, second = shell.err.splitlines()
    assert first == f"storectl: error: No such command '{verb}'."
    assert second == f"hint: {INSTEAD[verb]}"


def test_the_advice_names_only_commands_that_exist() -> None:
    named = {
        verb for text in INSTEAD.values() for verb in re.findall(r"`[^`]*storectl ([a-z-]+)", text)
    }
    assert named <= cli.VERBS.keys()
    assert len(named) > 8
    assert not INSTEAD.keys() & {*cli.VERBS, *cli.ALIASES}


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("imges", "Did you mean 'images'"),
        ("inspct", "Did you mean 'inspect'"),
        ("HISTRY", "Did you mean 'history'"),
        ("x" * 1000, f"No such command '{'x' * 40}…'."),
    ],
)
def test_a_typing_error_is_recognised(name: str, said: str) -> None:
    error = no_such_command(name, possibilities=tuple(cli.VERBS), ctx=click.Context(cli.cli))
    assert said in error.message
    assert error.advice is None
