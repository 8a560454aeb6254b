"""``sync``: the store kept equal with what files list."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from storectl.commands._remote_options import remote_options
from storectl.commands._scrub_options import Age
from storectl.system.completion import platforms
from storectl.system.parameters import FilePath, WholeNumber
from storectl.verb import Verb, checked_platform, json_option

if TYPE_CHECKING:
    from storectl.commands._remote import RemoteOptions
    from storectl.settings import Settings

_MAX_JOBS = 64


@click.command(
    "sync",
    cls=Verb,
    examples=(
        "storectl sync images.yaml",
        "storectl sync --plan images.yaml",
        "storectl sync --prune images.yaml",
        "storectl sync --max-age 1h --json k3s-images.txt",
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
    "--platform",
    "wanted",
    multiple=True,
    metavar="OS/ARCH",
    shell_complete=platforms,
    callback=checked_platform,
    help=(
        "Pull the image for this platform, unless the file says otherwise (repeatable).  [default:"
        " that of this machine]"
    ),
)
@click.option(
    "--all-platforms",
    is_flag=True,
    help="Pull the images for all platforms, unless the file says otherwise.",
)
@click.option(
    "--referrers",
    is_flag=True,
    help="Also pull signatures, attestations and SBOMs, unless the file says otherwise.",
)
@click.option(
    "-j",
    "--jobs",
    type=WholeNumber(min=1, max=_MAX_JOBS),
    default=6,
    show_default=True,
    metavar="N",
    help="How many blobs to download, and how many tags to check at once.",
)
@click.option(
    "--verify",
    "verifies",
    is_flag=True,
    help="Decode each layer at once, and refuse an image whose config lists other layers.",
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
    image on each line; its content tells. `-` is standard input. Where the file says so, images are
    sent to another registry instead.

    The store remembers what it saw of each tag. A tag that has not moved costs one request, and an
    immutable tag none. Each image is stored completely or not at all. A failed image does not stop
    the others; the exit code is that of the first failure.

    Each run has a name, which comes last on standard error: `storectl log RUN` shows its changes,
    and `storectl rollback RUN` undoes them.
    """
    from storectl.commands._syncing import (  # noqa: PLC0415 - `--help` does without
        SyncingOptions,
        sync,
    )

    if options["all_platforms"] and options["wanted"]:
        raise click.UsageError("--all-platforms excludes --platform")
    sync(settings, files, SyncingOptions(**options), remote)
