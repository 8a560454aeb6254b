"""The option of collections that says for how long rollbacks stay possible."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import click

from storectl.commands._scrub_options import Age

if TYPE_CHECKING:
    from collections.abc import Callable

undo_option: Final[Callable[[Any], Any]] = click.option(
    "--undo-for",
    type=Age(),
    metavar="AGE",
    help=(
        "Keep what tags could be rolled back to: what they named at some point within this time,"
        " such as 168h.  [default: $STORECTL_UNDO_FOR, else 0]"
    ),
)
