"""``rm`` (``rmi``): removal of tags and images."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from storectl.system.completion import image_names
from storectl.verb import Verb, json_option

if TYPE_CHECKING:
    from store.names.tagging import RemovedName
    from storectl.output.exit_codes import ExitCode
    from storectl.settings import Settings


@click.command(
    "rm",
    cls=Verb,
    examples=(
        "storectl rm debian:12",
        "storectl rm -f 6b8a1c2d3e4f",
        "storectl rm --all-tags team/app",
    ),
)
@click.option(
    "-f",
    "--force",
    is_flag=True,
    help=(
        "Remove an image by ID even if several repositories have tags for it, and do not fail for"
        " unknown names."
    ),
)
@click.option(
    "--all-tags", is_flag=True, help="Remove all tags of each NAME, which is a repository."
)
@click.option("--no-prune", is_flag=True, help="Do not delete untagged parents.")
@json_option
@click.argument("names", nargs=-1, required=True, metavar="NAME...", shell_complete=image_names)
@click.pass_obj
def command(
    settings: Settings,
    *,
    force: bool,
    all_tags: bool,
    no_prune: bool,
    as_json: bool,
    names: tuple[str, ...],
) -> ExitCode:
    """Remove names, and each image with its last name, like `docker rmi`.

    A tag or NAME@DIGEST removes only this name. An image ID removes all names of the image. A
    digest that a tag or an index needs stays, and so does an image that an index has beside others.

    `storectl gc` frees the disk space.
    """
    from storectl.commands._names import existing_tags  # noqa: PLC0415 - `--help` does without
    from storectl.commands._removal import remove_each  # noqa: PLC0415
    from storectl.commands._suggestions import suggesting  # noqa: PLC0415

    with settings.open(frees=True) as store:

        def remove(name: str) -> tuple[RemovedName, ...]:
            with suggesting(store, name):
                tags = existing_tags(store, name) if all_tags else (name,)
                return tuple(
                    one
                    for tag in tags
                    for one in store.remove(tag, force=force, prune_parents=not no_prune)
                )

        return remove_each(names, remove, as_json=as_json, may_be_missing=force)
