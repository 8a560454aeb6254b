"""``log``: what a tag has pointed at, and which users moved it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import click

from storectl.output.rows import format_option, show
from storectl.system.completion import image_names
from storectl.system.parameters import WholeNumber
from storectl.verb import Verb, json_option

if TYPE_CHECKING:
    from store.catalog.lists.tag_changes import LoggedChange
    from store.model.digests import Digest
    from storectl.settings import Settings

HEADS: Final = {
    "When": "WHEN",
    "Name": "NAME",
    "Old": "FROM",
    "New": "TO",
    "Operation": "BY",
    "User": "USER",
    "Address": "ADDRESS",
}
_COLUMNS: Final = ("When", "Name", "Old", "New", "Operation", "User")
_NOTHING: Final = "-"


@click.command(
    "log",
    cls=Verb,
    examples=("storectl log team/app:latest", "storectl log --limit 5 --no-trunc team/app"),
)
@click.option(
    "-n", "--limit", metavar="N", type=WholeNumber(min=1), help="Show only the newest N changes."
)
@click.option("--no-trunc", is_flag=True, help="Do not truncate digests.")
@format_option
@json_option
@click.argument("name", shell_complete=image_names)
@click.pass_obj
def command(
    settings: Settings,
    *,
    limit: int | None,
    no_trunc: bool,
    format_: str,
    as_json: bool,
    name: str,
) -> None:
    """Show what a tag has pointed at, newest change first, like `git reflog`.

    NAME is a tag, which need not exist any more, or a repository, whose tags are all shown. The
    name of a run of `storectl sync` shows the changes of the run.

    The first line is the change that `storectl rollback NAME` undoes.
    """
    from store.undo.rollback import log  # noqa: PLC0415 - `--help` does without
    from storectl.commands._suggestions import suggesting  # noqa: PLC0415
    from storectl.output import render  # noqa: PLC0415

    with settings.open() as store, suggesting(store, name):
        changes = log(store, name, limit=limit)
    if as_json:
        render.document([_as_json(change) for change in changes])
        return
    show(format_, (_row(change, no_trunc=no_trunc) for change in changes), _COLUMNS, HEADS)


def _as_json(change: LoggedChange) -> dict[str, Any]:
    from storectl.output import render  # noqa: PLC0415 - `--help` does without

    return {
        "Time": render.time(change.at),
        "Name": change.reference.familiar,
        "Old": None if change.old is None else str(change.old),
        "New": None if change.new is None else str(change.new),
        "Operation": change.kind,
        "User": change.actor.get("user"),
        "Address": change.actor.get("address"),
    }


def _row(change: LoggedChange, *, no_trunc: bool) -> dict[str, str]:
    from storectl.output.render import local_time  # noqa: PLC0415 - `--help` does without

    return {
        "When": local_time(change.at),
        "Name": change.reference.familiar,
        "Old": _shown(change.old, no_trunc=no_trunc),
        "New": _shown(change.new, no_trunc=no_trunc),
        "Operation": change.kind,
        "User": change.actor.get("user", _NOTHING),
        "Address": change.actor.get("address", _NOTHING),
    }


def _shown(digest: Digest | None, *, no_trunc: bool) -> str:
    if digest is None:
        return _NOTHING
    return str(digest) if no_trunc else digest.short
