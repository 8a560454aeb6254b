"""``gc``: garbage collection."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from storectl.commands._ceilings import Size
from storectl.commands._scrub_options import Age
from storectl.commands._undo_option import undo_option
from storectl.verb import Verb, json_option

if TYPE_CHECKING:
    from datetime import timedelta

    from storectl.settings import Settings


@click.command(
    "gc",
    cls=Verb,
    examples=(
        "storectl gc",
        "storectl gc --dry-run --dangling",
        "storectl gc --now",
        "storectl gc --cache-age 720h --cache-size 50GB",
    ),
)
@click.option("--dry-run", is_flag=True, help="Only show what would be removed.")
@click.option("--dangling", is_flag=True, help="Also remove untagged images.")
@click.option(
    "--now",
    "end_grace",
    is_flag=True,
    help=(
        "Also remove blobs that were pushed less than 24 hours ago and that no manifest lists,"
        " unless someone has pushed to their repository in the last 5 minutes; and what interrupted"
        " downloads have left."
    ),
)
@click.option(
    "--quarantine",
    type=Age(),
    metavar="AGE",
    help=(
        "Keep files that the catalogue does not know for this time; 0 removes them at once."
        "  [default: $STORECTL_QUARANTINE, else 168h]"
    ),
)
@click.option(
    "--cache-age",
    type=Age(),
    metavar="AGE",
    help="Remove tags that a server pulled through and that clients have not used for this time.",
)
@click.option(
    "--cache-size",
    type=Size(),
    metavar="SIZE",
    help=(
        "Keep this much of what servers pulled through, such as 50GB, and remove the tags that"
        " clients have not used for longest."
    ),
)
@undo_option
@json_option
@click.pass_obj
def command(  # noqa: PLR0913 - one for each option
    settings: Settings,
    *,
    dry_run: bool,
    dangling: bool,
    end_grace: bool,
    quarantine: timedelta | None,
    cache_age: timedelta | None,
    cache_size: int | None,
    undo_for: timedelta | None,
    as_json: bool,
) -> None:
    """Remove content that nothing refers to, and free its disk space.

    You can run this while imports, saves or a server are running. Untagged images stay unless
    --dangling is given. The report also says what stays although no tagged image needs it, why, and
    until when.

    A client pushes the blobs of an image before the manifest that lists them. So a blob without a
    manifest stays for 24 hours after a client sent, mounted or looked for it. The blobs of an image
    that was removed do not wait. Uploads in progress and content in use always stay.

    A file that the catalogue does not know is moved to the folder "quarantine" of the store, and
    removed after 7 days, or after the time of --quarantine. It is moved back if the catalogue knows
    it again, after a restore.

    With --cache-age and --cache-size, tags that a server with --upstream has pulled through are
    removed with their images, those first that clients have not used for longest. A tag that a
    push, an import or `storectl tag` has set stays, and so does the image of such a tag. While a
    registry cannot be reached, no time passes for its tags.

    With --undo-for, what tags have named within this time stays, even if it was removed, so that
    `storectl rollback` can bring it back.
    """
    from store.model.cache_limits import CacheLimits  # noqa: PLC0415 - `--help` does without
    from storectl.commands._collection import show  # noqa: PLC0415

    with settings.open(frees=True) as store:
        if quarantine is not None:
            store.quarantine_for = quarantine
        if undo_for is not None:
            store.undo_for = undo_for
        store.cache_limits = CacheLimits(cache_age, cache_size)
        report = store.collect(dry_run=dry_run, dangling=dangling, end_grace=end_grace)
        show(report, as_json=as_json)
