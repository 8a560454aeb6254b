"""``tags``: the tags of a repository in a registry or another place."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from storectl.commands._remote_options import remote_options
from storectl.verb import Verb, json_option

if TYPE_CHECKING:
    from storectl.commands._remote import RemoteOptions
    from storectl.settings import Settings


@click.command(
    "tags",
    cls=Verb,
    examples=(
        "storectl tags debian",
        "storectl tags registry.example:5000/team/app",
        "storectl tags --full-ref quay.io/team/app",
        "storectl tags oci:layout",
    ),
)
@click.option("--full-ref", is_flag=True, help="Print the full names: REPOSITORY:TAG.")
@remote_options
@json_option
@click.argument("name", metavar="REPOSITORY")
@click.pass_obj
def command(
    settings: Settings, *, full_ref: bool, remote: RemoteOptions, as_json: bool, name: str
) -> None:
    """List the tags of a repository in a registry.

    REPOSITORY is a name as docker reads it, without a tag, or the same after `docker://`. The tags
    are in the order of the registry.

    REPOSITORY may also be `store:NAME`, `ssh://[USER@]HOST[:PORT][/ROOT]::NAME`, or
    `registry-tree:DIR:NAME`. Of `oci:DIR`, `oci-archive:FILE` and `docker-archive:FILE`, the names
    of the images are listed, as in skopeo.
    """
    from storectl.commands._tag_lists import list_tags  # noqa: PLC0415 - `--help` does without
    from storectl.output import render  # noqa: PLC0415

    found = list_tags(settings, name, remote)
    names = [f"{found.prefix if full_ref else ''}{tag}" for tag in found.tags]
    if as_json:
        render.documents(names)
    else:
        render.lines(names)
