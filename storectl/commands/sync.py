"""``sync``: the store kept equal with what files list."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from storectl.commands._part_options import part_options, require_one_choice
from storectl.commands._remote_options import remote_options
from storectl.commands._requests import Requests
from storectl.commands._scrub_options import Age
from storectl.system.parameters import FilePath
from storectl.verb import Verb, json_option

if TYPE_CHECKING:
    from storectl.commands._remote import RemoteOptions
    from storectl.settings import Settings


@click.command(
    "sync",
    cls=Verb,
    examples=(
        "storectl sync images.yaml",
        "storectl sync --plan images.yaml",
        "storectl sync --prune images.yaml",
        "storectl sync --max-age 1h --json k3s-images.txt",
        "storectl sync --to docker://registry.example:5000/mirror k3s-images.txt",
    ),
)
@click.option(
    "--plan",
    "--dry-run",
    "is_plan",
    is_flag=True,
    help="Show what would be downloaded and untagged, and why; change nothing.",
)
@click.option(
    "--prune",
    "prunes",
    is_flag=True,
    help=(
        "Untag what this sync made and the file or the registry no longer lists, also where the"
        " file does not say so."
    ),
)
@click.option(
    "--max-age",
    type=Age(),
    metavar="AGE",
    default="0s",
    help="Do not ask again for tags that were checked in this time, such as 1h.",
)
@click.option(
    "--keep-going/--fail-fast",
    "keeps_going",
    default=True,
    help="Go on after an image that failed, or stop.  [default: go on]",
)
@click.option(
    "-q",
    "--quiet",
    is_flag=True,
    help="Print only the names of images that changed; with --json, leave the others out.",
)
@click.option(
    "--to",
    metavar="docker://REGISTRY[/PATH]",
    help=(
        "Send the images to this registry instead, each under its name without its registry; those"
        " for which the file names another registry go there."
    ),
)
@click.option(
    "--scoped",
    "is_scoped",
    is_flag=True,
    help="With --to, keep the registries of images as the beginnings of their names.",
)
@part_options(unless=", unless the file says otherwise", also=", and tags to check")
@click.option(
    "--rate-reserve",
    type=Requests(),
    metavar="N|N%",
    default="10%",
    show_default=True,
    help=(
        "Leave this many requests, of those that a registry announces (Docker Hub), to others, and"
        " the rest of the images to the next run."
    ),
)
@remote_options
@json_option
@click.argument(
    "files", nargs=-1, required=True, metavar="FILE...", type=FilePath(path_type=Path, dash=True)
)
@click.pass_obj
def command(
    settings: Settings,
    /,
    *,
    files: tuple[Path, ...],
    remote: RemoteOptions,
    **options: Any,  # noqa: ANN401 - the values of `SyncingOptions`
) -> None:
    """Keep the store equal with what files list: images, and tags of repositories.

    FILE is a sync file of storectl, skopeo or regsync, a manifest of hauler, or a list with one
    image on each line; its content tells. `-` is standard input. Where the file or --to says so,
    images are sent to another registry instead.

    The store remembers what it saw of each tag. A tag that has not moved costs one request, and an
    immutable tag none. Each image is stored completely or not at all. A failed image does not stop
    the others; the exit code is that of the first failure. If a registry announces that it takes
    few more requests for now, the other images are left for the next run, with exit code 12.

    Each run has a name, which comes last on standard error: `storectl log RUN` shows its changes,
    and `storectl rollback RUN` undoes them.
    """
    from storectl.commands._syncing import (  # noqa: PLC0415 - `--help` does without
        SyncingOptions,
        sync,
    )

    require_one_choice(options["wanted"], all_platforms=options["all_platforms"])
    if options["is_scoped"] and options["to"] is None:
        raise click.UsageError("--scoped needs --to: it changes the names in that registry")
    if options["prunes"] and options["to"] is not None:
        raise click.UsageError("--to excludes --prune: tags in a registry are never removed")
    sync(settings, files, SyncingOptions(**options), remote)
