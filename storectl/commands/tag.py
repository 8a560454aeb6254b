"""``tag``: a new tag for an image."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from storectl.commands._moments import moment
from storectl.system.completion import image_names
from storectl.verb import Verb, checked_tag, json_option

if TYPE_CHECKING:
    from storectl.settings import Settings


@click.command(
    "tag",
    cls=Verb,
    examples=(
        "storectl tag debian:12 registry.example.com/base:stable",
        "storectl tag --as-of 24h team/app:latest team/app:yesterday",
    ),
)
@click.option(
    "--as-of",
    "when",
    metavar="WHEN",
    help=(
        "Use the image that the tag SOURCE named at this time: a date, Unix seconds, or an age such"
        " as 10m."
    ),
)
@json_option
@click.argument("source", shell_complete=image_names)
@click.argument("target", callback=checked_tag)
@click.pass_obj
def command(
    settings: Settings, *, when: str | None, as_json: bool, source: str, target: str
) -> None:
    """Create a tag TARGET that refers to the image SOURCE. As in docker, nothing is printed."""
    from storectl.commands._suggestions import suggesting  # noqa: PLC0415 - `--help` does without
    from storectl.output import render  # noqa: PLC0415

    as_of = moment(when, settings.now())
    with settings.open() as store, suggesting(store, source):
        if as_of is None:
            change = store.tag(source, target)
        else:
            from store.undo.rollback import tag_as_of  # noqa: PLC0415 - only with the option

            change = tag_as_of(store, source, target, as_of)
    if as_json:
        render.document(
            {
                "Name": change.reference.familiar,
                "Id": None if change.image_id is None else str(change.image_id),
                "Replaced": None if change.replaced is None else str(change.replaced),
            }
        )
