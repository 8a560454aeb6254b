"""The flag ``--json`` of a run, which also decides how errors are printed."""

from __future__ import annotations

from itertools import takewhile
from typing import TYPE_CHECKING, Final

import click

if TYPE_CHECKING:
    from collections.abc import Sequence

_META: Final = "storectl.json"
_TRUE: Final = frozenset({"", "1", "t", "T", "true", "TRUE", "True"})


def wants_json(arguments: Sequence[str]) -> bool:
    """Return whether a command line has the flag ``--json``, even if it cannot be parsed."""
    given = False
    for argument in takewhile(lambda one: one != "--", arguments):
        name, _, value = argument.partition("=")
        if name == "--json":
            given = value in _TRUE
    return given


def use_json(context: click.Context) -> None:
    """Print the errors of this run as JSON.

    Args:
        context: The root context of the run.
    """
    context.meta[_META] = True


def is_json() -> bool:
    """Return whether the errors of this run are printed as JSON."""
    context = click.get_current_context(silent=True)
    return context is not None and bool(context.meta.get(_META))
