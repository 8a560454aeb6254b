"""The options that `pull` and `sync` share."""

from __future__ import annotations

import click
import pytest

from storectl.commands import pull, sync
from storectl.commands._part_options import JOBS, require_one_choice

SHARED = {"wanted", "all_platforms", "referrers", "jobs", "verifies"}


def shared(command: click.Command) -> dict[str, click.Option]:
    return {
        one.name: one
        for one in command.params
        if isinstance(one, click.Option) and one.name in SHARED
    }


def test_both_commands_have_the_same_options() -> None:
    one, other = shared(pull.command), shared(sync.command)
    assert one.keys() == other.keys() == SHARED
    for name, option in one.items():
        assert (option.opts, option.default) == (other[name].opts, other[name].default)
        # Sync adds when the option does not count.
        start = (option.help or "").split(" (repeatable)")[0].rstrip(".")
        assert (other[name].help or "").startswith(start)
    assert one["jobs"].default == JOBS


def test_all_platforms_exclude_some() -> None:
    require_one_choice((), all_platforms=True)
    with pytest.raises(click.UsageError, match="excludes"):
        require_one_choice(("linux/amd64",), all_platforms=True)
