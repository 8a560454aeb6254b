"""Groups of users on the command line, and the option that shares a new store with a group."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any, Final, TypeVar

import click

from storectl.verb import OptionalValueOption

if TYPE_CHECKING:
    from collections.abc import Callable

    Function = TypeVar("Function", bound=Callable[..., Any])


class Group(click.ParamType[int]):
    """A group of the system, by its name or number; empty for the group of this process."""

    name = "GROUP"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:  # noqa: ANN401 - click's signature
        """Return the number of the group that ``value`` means; an unknown group is an error."""
        if isinstance(value, int):
            return value
        if not value:
            return os.getegid()
        if value.isascii() and value.isdigit():
            return int(value)
        import grp  # noqa: PLC0415 - only to look up a name

        try:
            return grp.getgrnam(value).gr_gid
        except KeyError:
            self.fail(f"the system has no group {value!r}", param, ctx)


shared_option: Final[Callable[[Function], Function]] = click.option(
    "--shared",
    "group",
    cls=OptionalValueOption,
    metavar="GROUP",
    type=Group(),
    help=(
        "If a store is created, let the members of GROUP use it, or without GROUP those of your"
        " primary group. Other stores are for their owner only."
    ),
)
