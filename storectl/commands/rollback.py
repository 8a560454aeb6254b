"""``rollback``: tags pointed back at what they named before."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import click

from storectl.commands._moments import moment
from storectl.system.completion import image_names
from storectl.system.parameters import WholeNumber
from storectl.verb import Verb, json_option

if TYPE_CHECKING:
    from store.model.digests import Digest
    from store.undo.rollback import RolledBack
    from storectl.settings import Settings

_MAX_STEPS: Final = 1_000_000
"""`store.catalog.collection.history.MAX_TAG_CHANGES`."""


@click.command(
    "rollback",
    cls=Verb,
    examples=(
        "storectl rollback team/app:latest",
        "storectl rollback sync-0123456789ab",
        "storectl rollback --dry-run --to 24h team/app:1 team/app:2",
        "storectl rollback --all-tags --to 2026-01-31T12:00:00Z team/app",
    ),
)
@click.option(
    "--to",
    "when",
    metavar="WHEN",
    help="Go back to the state at this time: a date, Unix seconds, or an age such as 10m.",
)
@click.option(
    "--steps",
    metavar="N",
    type=WholeNumber(1, _MAX_STEPS),
    help="Go back over the newest N changes of each tag.  [default: 1]",
)
@click.option(
    "--all-tags",
    is_flag=True,
    help="Roll back all tags of each NAME, which is a repository; needs --to.",
)
@click.option("--dry-run", is_flag=True, help="Only show what would change.")
@json_option
@click.argument("names", nargs=-1, required=True, metavar="NAME...", shell_complete=image_names)
@click.pass_obj
def command(
    settings: Settings,
    *,
    when: str | None,
    steps: int | None,
    all_tags: bool,
    dry_run: bool,
    as_json: bool,
    names: tuple[str, ...],
) -> None:
    """Point tags back at what they named before their last change.

    Removed tags come back, with the images that were removed with them. A tag that did not exist
    before is removed, and its image stays, untagged. Either all NAMEs are rolled back, or none.

    The name of a run of `storectl sync` stands for all tags that the run changed. Tags that
    were changed later stay.

    A rollback is a change as well: rolling back again undoes it. `storectl log NAME` shows all
    changes. What `storectl gc` has removed cannot come back; --undo-for tells it to wait.
    """
    if when is not None and steps is not None:
        raise click.UsageError("--to and --steps exclude each other")
    if all_tags and when is None:
        raise click.UsageError("--all-tags needs --to: the tags have changed at different times")
    from store.undo.rollback import rollback  # noqa: PLC0415 - `--help` does without
    from storectl.commands._suggestions import suggesting  # noqa: PLC0415
    from storectl.output import render  # noqa: PLC0415

    to = moment(when, settings.now())
    with settings.open() as store, suggesting(store, *names):
        done = rollback(store, names, to=to, steps=steps or 1, all_tags=all_tags, dry_run=dry_run)
    if as_json:
        render.document({"DryRun": dry_run, "Tags": [_as_json(one) for one in done]})
        return
    for one in done:
        render.line(_line(one, dry_run=dry_run))
        for other in one.removed:
            render.line(f"{other.kind.capitalize()}: {other.name}")


def _as_json(one: RolledBack) -> dict[str, Any]:
    return {
        "Name": one.reference.familiar,
        "Before": _text(one.before),
        "After": _text(one.after),
        "Id": None if one.image_id is None else str(one.image_id),
        "Removed": [{other.kind.capitalize(): other.name} for other in one.removed],
    }


def _line(one: RolledBack, *, dry_run: bool) -> str:
    name = one.reference.familiar
    if one.before == one.after:
        return f"Unchanged: {name}" + ("" if one.after is None else f" ({one.after.short})")
    if one.after is None:
        before = "" if one.before is None else f" (was {one.before.short})"
        return f"{'Would untag' if dry_run else 'Untagged'}: {name}{before}"
    before = "had no such tag" if one.before is None else f"was {one.before.short}"
    return f"{'Would restore' if dry_run else 'Restored'}: {name} ({one.after.short}, {before})"


def _text(digest: Digest | None) -> str | None:
    return None if digest is None else str(digest)
