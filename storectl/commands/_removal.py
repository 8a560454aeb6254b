"""The output of removals, for `rm` and `untag`: one line for each name, as in docker."""

from __future__ import annotations

from typing import TYPE_CHECKING

from storectl.output import render
from storectl.verb import for_each

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from store.names.tagging import RemovedName
    from storectl.output.exit_codes import ExitCode


def remove_each(
    names: Sequence[str],
    remove: Callable[[str], tuple[RemovedName, ...]],
    *,
    as_json: bool,
    may_be_missing: bool = False,
) -> ExitCode:
    """Remove ``names`` one after the other, and print each name and image that was removed.

    Args:
        names: The arguments of the command.
        remove: Removes one name from the store.
        as_json: Whether to print one JSON document at the end instead of a line for each removal.
        may_be_missing: Whether to report an unknown name without failing.

    Returns:
        The exit code of the first name that could not be removed, else 0.
    """

    def act(name: str) -> tuple[RemovedName, ...]:
        removed = remove(name)
        if not as_json:
            for one in removed:
                render.line(f"{one.kind.capitalize()}: {one.name}")
        return removed

    done, code = for_each(names, act, may_be_missing=may_be_missing)
    if as_json:
        render.document([{one.kind.capitalize(): one.name} for removed in done for one in removed])
    return code
