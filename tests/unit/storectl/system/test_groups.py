from __future__ import annotations

import grp
import os
from types import SimpleNamespace
from typing import TYPE_CHECKING

import click
import pytest

from storectl.system.groups import shared_option
from storectl.verb import Verb

if TYPE_CHECKING:
    from collections.abc import Sequence


@click.command("probe", cls=Verb, examples=())
@shared_option
@click.argument("names", nargs=-1)
def probe(group: int | None, names: tuple[str, ...]) -> tuple[int | None, tuple[str, ...]]:
    return group, names


def parsed(arguments: Sequence[str]) -> tuple[int | None, tuple[str, ...]]:
    context = probe.make_context("probe", list(arguments))
    return context.params["group"], context.params["names"]


@pytest.mark.parametrize(
    ("arguments", "group", "names"),
    [
        (("a",), None, ("a",)),
        (("--shared", "a"), os.getegid(), ("a",)),
        (("a", "--shared"), os.getegid(), ("a",)),
        (("--shared=4711", "a"), 4711, ("a",)),
        (("--shared=team", "a"), 50, ("a",)),
        (("--", "--shared"), None, ("--shared",)),
    ],
)
def test_a_group_has_a_name_or_a_number_or_is_that_of_the_process(
    arguments: Sequence[str],
    group: int | None,
    names: tuple[str, ...],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(grp, "getgrnam", lambda name: {"team": SimpleNamespace(gr_gid=50)}[name])
    assert parsed(arguments) == (group, names)


def test_an_unknown_group_is_a_wrong_usage() -> None:
    with pytest.raises(click.BadParameter, match="no group"):
        parsed(("--shared=no-such-group",))


def test_the_help_shows_that_the_group_may_be_left_out() -> None:
    assert "--shared[=GROUP]" in probe.get_help(click.Context(probe))
