"""The flag `--json` on a command line that may be invalid."""

from __future__ import annotations

import click
import pytest

from storectl.output.json_flag import is_json, use_json, wants_json


@pytest.mark.parametrize(
    ("arguments", "wanted"),
    [
        ("images --json", True),
        ("--nope images --json=true", True),
        ("images --json --json=false", False),
        ("images -- --json", False),
        ("images --format json", False),
    ],
)
def test_the_flag_is_found_before_the_arguments_are_parsed(arguments: str, *, wanted: bool) -> None:
    assert wants_json(arguments.split()) is wanted


def test_a_command_sees_the_choice_of_its_run() -> None:
    assert not is_json()
    root = click.Context(click.Group("root"))
    with click.Context(click.Command("verb"), parent=root):
        assert not is_json()
        use_json(root)
        assert is_json()
