"""What a removal says: docker's lines, as each name goes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from storectl.output import render
from storectl.verb import for_each

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from store.names.tagging import RemovedName
    from storectl.output.exit_codes import ExitCode


def take_away(
    names: Sequence[str],
    remove: Callable[[str], tuple[RemovedName, ...]],
    *,
    as_json: bool,
    may_be_missing: bool = False,
) -> ExitCode:
    """Remove each of ``names`` and print what went.

    The exit code of the first that could not be removed.

    With ``may_be_missing`` a name that is unknown is reported, and no failure.
    """

    def act(name: str) -> tuple[RemovedName, ...]:
        removed = remove(name)
        if not as_json:
            for one in removed:
                render.line(f"{one.kind.capitalize()}: {one.name}")
        return removed

    done, code = for_each(names, act, may_be_missing=may_be_missing)
    if as_json:
        render.document([{one.kind: one.name} for removed in done for one in removed])
    return code
